import { spawnSync } from 'node:child_process'
import { linkSync, lstatSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/bytes/fast.js'
import { readCpio, writeCpio } from '../../src/formats/cpio/index.js'
import { fakerootRecord, readFakeroot, writeFakeroot } from '../../src/formats/fakeroot/index.js'
import type { ManifestEntry, ManifestItem } from '../../src/formats/manifest/index.js'
import { readMtree, writeMtree } from '../../src/formats/mtree/index.js'
import { writeSquashfsPseudo } from '../../src/formats/squashfs-pseudo/index.js'
import { readTar, writeTar } from '../../src/formats/tar/index.js'
import {
  asyncOf,
  bytesOf,
  collect,
  contentOf,
  cut,
  entry,
  expected,
  furtherName,
  itemsOf,
  listOf,
  readAll,
  withLinkCounts,
} from '../support/manifest-entries.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const bsdtar = '/usr/bin/bsdtar'
const gnuTar = '/usr/bin/tar'
const cpio = '/usr/bin/cpio'
/** GNU tar does not know the record that tells bsdtar of long names which are no ASCII, and needs none. */
const noKeywordWarning = '--warning=no-unknown-keyword'
const fakeroot = '/usr/bin/fakeroot'

interface RunOptions {
  readonly cwd?: string
  readonly input?: Buffer
  readonly locale?: string
  readonly mayWarn?: boolean
}

/** Runs a program that must succeed. Returns what it printed. */
function run(
  program: string,
  args: readonly string[],
  { cwd, input = Buffer.alloc(0), locale = 'C', mayWarn = false }: RunOptions = {},
): Buffer {
  const env = { ...process.env, LC_ALL: locale, TZ: 'UTC' }
  const done = spawnSync(program, args, { cwd, input, env, timeout: 60_000, maxBuffer: 2 ** 26 })
  const stderr = done.stderr.toString('latin1')
  const warnings = mayWarn ? '' : stderr
  expect({ program, args, status: done.status, stderr, warnings }).toMatchObject({ status: 0, warnings: '' })
  return done.stdout
}

const second = 10n ** 9n
const suid = entry('suid', {
  size: 5,
  mode: 0o4755,
  uid: 3000000000,
  gid: 50,
  mtimeNs: 1_600_000_000n * second + 75_578_209n,
})
const deep = Array.from({ length: 40 }, () => 'd'.repeat(99)).join('/')

/** Setuid, sticky, hard links, devices, blanks, quotes, newlines, bytes that are no UTF-8, a path of 4,000 bytes. */
const nasty: ManifestEntry[] = withLinkCounts([
  entry('', { type: 'directory', mode: 0o755 }),
  entry('-dash $(x) `y` "q" \'', { size: 1000 }),
  entry('TRAILER!!!', { size: 3 }),
  entry('back\\slash*?[x]#=', { mtimeNs: 5n * second }),
  entry('block', { type: 'block', device: { major: 300, minor: 3000 }, mode: 0o660, gid: 6 }),
  entry('dangling', { type: 'symlink', mode: 0o777, linkTarget: bytesOf('not/here \\ "x"') }),
  entry('empty', { type: 'directory', mode: 0o1777 }),
  entry('fifo', { type: 'fifo', uid: 31, gid: 32 }),
  entry('long link', { type: 'symlink', mode: 0o777, linkTarget: Buffer.alloc(900, 'long/') }),
  entry('metadata', { size: 20 }),
  entry('new\nline', { size: 7 }),
  entry('no utf-8 \xff\xfe', { size: 7, mode: 0o2711 }),
  entry('null', { type: 'character', device: { major: 1, minor: 3 }, mode: 0o666 }),
  suid,
  furtherName('suid again', suid),
  entry('\xc3\xa4'.repeat(70), { size: 1, uid: 2097152, mtimeNs: 2n ** 34n * second }),
])
const withDeep = [...nasty, entry(`${deep}/file`, { size: 3 })]
const socket = entry('socket', { type: 'socket', mode: 0o755, uid: 41 })

/** Entries by path, in the order of their bytes, so that lists of several sources compare. */
function sorted<T extends { entry: ManifestEntry }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => Buffer.compare(a.entry.path, b.entry.path))
}

const times = (tree: readonly ManifestEntry[], change: (ns: bigint) => bigint) =>
  tree.map((one) => ({ ...one, mtimeNs: change(one.mtimeNs) }))
/** What eleven octal digits hold. */
const octalSeconds = (ns: bigint) => (ns < 2n ** 33n * second ? ns / second : 2n ** 33n - 1n) * second
const clampedSeconds = (ns: bigint) => (ns < 2n ** 32n * second ? ns / second : 2n ** 32n - 1n) * second
const readable = (read: (source: AsyncIterable<Uint8Array>) => AsyncIterable<ManifestItem>, bytes: Buffer) =>
  readAll(read(cut(bytes, 10_000)))

/** bsdtar's listing of an archive as mtree text, and that as we read it. */
async function listedByBsdtar(archive: Buffer): Promise<ManifestEntry[]> {
  const text = run(bsdtar, ['-cf', '-', '--format=mtree', '@-'], { input: archive })
  return (await listOf(readMtree(cut(text, 1000)))).sort((a, b) => Buffer.compare(a.path, b.path))
}

/** bsdtar shows no size of a hard link. */
const withoutLinkSize = (one: ManifestEntry) => (one.hardLinkTo === null ? one : { ...one, size: 0 })

/** What an mtree listing says of entries of an archive: nothing of which name comes first. */
function listing(tree: readonly ManifestEntry[]): ManifestEntry[] {
  return sorted(expected(tree)).map(({ entry: one }) => ({ ...one, hardLinkTo: null }))
}

describe.runIf(havePeers(gnuTar, bsdtar))('tar archives', () => {
  const bytes = () => collect(writeTar(itemsOf(withDeep)))

  it('are listed by bsdtar as they were written', async () => {
    const back = await listedByBsdtar(await bytes())
    const wanted = listing(withDeep.map(withoutLinkSize))
    expect(back.map((one) => ({ ...one, hardLinkTo: null }))).toEqual(wanted)
  })

  it('are listed by GNU tar as they were written', async () => {
    const text = run(
      gnuTar,
      ['-tvf', '-', noKeywordWarning, '--numeric-owner', '--quoting-style=escape', '--full-time'],
      {
        input: await bytes(),
      },
    ).toString('latin1')
    const lines = text.trimEnd().split('\n')
    expect(lines).toHaveLength(withDeep.length)
    expect(text).toMatch(/^-rwsr-xr-x 3000000000\/50 +5 2020-09-13 12:26:40.075578209 suid$/m)
    expect(text).toMatch(/^hrwsr-xr-x 3000000000\/50 +0 2020-09-13 12:26:40.075578209 suid again link to suid$/m)
    expect(text).toMatch(/brw-rw---- 0\/6 +300,3000 1970-01-01 00:00:00 block\n/)
    expect(text).toContain('new\\nline\n')
    expect(text).toContain(' no utf-8 \\377\\376\n')
    expect(text).toContain(`${deep}/file\n`)
  })

  it.each([gnuTar, bsdtar])('are unpacked by %s with their content', async (program) => {
    const directory = temporaryDirectory()
    const quiet = program === gnuTar ? ['--warning=no-timestamp', noKeywordWarning] : []
    const args = ['-xf', '-', ...quiet, '--no-same-owner', '--exclude=null', '--exclude=block']
    run(program, args, { cwd: directory, input: await bytes() })
    for (const one of withDeep.filter(({ type }) => type === 'file')) {
      if (one.path.length > 3000) continue
      const name = Buffer.concat([bytesOf(`${directory}/`), one.path])
      expect(readFileSync(name).equals(contentOf({ ...one, path: one.hardLinkTo ?? one.path }))).toBe(true)
    }
    expect(lstatSync(path.join(directory, 'suid again')).ino).toBe(lstatSync(path.join(directory, 'suid')).ino)
    expect(lstatSync(path.join(directory, 'suid'), { bigint: true }).mtimeNs).toBe(suid.mtimeNs)
  })

  it('of bsdtar are read: from the same mtree text', async () => {
    const text = await collect(writeMtree(asyncOf(withDeep)))
    const directory = temporaryDirectory()
    for (const format of ['pax', 'gnutar']) {
      const archive = run(bsdtar, ['-cf', '-', `--format=${format}`, '@-'], {
        cwd: directory,
        input: text,
        locale: 'C.UTF-8',
        // Of the name that is no UTF-8, which it stores all the same.
        mayWarn: true,
      })
      const back = sorted(await readable(readTar, archive)).map(({ entry: one }) => one)
      const whole = format === 'pax' ? withDeep : times(withDeep, octalSeconds)
      // What bsdtar makes of mtree text has no hard links and no content.
      expect(back, format).toEqual(
        listing(whole).map((one) => ({ ...one, size: back.find(({ path }) => equalBytes(path, one.path))!.size })),
      )
    }
  })

  it.each(['posix', 'gnu', 'ustar', 'oldgnu'])('of GNU tar in the form %s are read', async (format) => {
    const directory = realTree()
    const archive = run(gnuTar, ['-cf', '-', `--format=${format}`, '--numeric-owner', '.'], { cwd: directory })
    expectRealTree(await readable(readTar, archive), directory, format === 'posix')
  })

  it('hold extended attributes for bsdtar and GNU tar', async () => {
    const xattrs = [{ name: bytesOf('user.umlcow'), value: bytesOf('a\0=\nb') }]
    const archive = await collect(writeTar(itemsOf([entry('f', { xattrs })])))
    const text = run(gnuTar, ['-tvvf', '-', '--xattrs'], { input: archive }).toString('latin1')
    expect(text).toContain('x: 5 user.umlcow')
    const through = run(bsdtar, ['-cf', '-', '--format=pax', '@-'], { input: archive })
    expect((await readable(readTar, through))[0]?.entry.xattrs).toEqual(xattrs)
  })

  it('have names of extended attributes in the form of GNU tar', async () => {
    const xattrs = [{ name: bytesOf('user.a=b%c%3D'), value: bytesOf('x') }]
    const archive = await collect(writeTar(itemsOf([entry('f', { xattrs })])))
    const text = run(gnuTar, ['-tvvf', '-', '--xattrs'], { input: archive }).toString('latin1')
    expect(text).toContain('x: 1 user.a=b%c%3D')
  })
})

/** A tree that anybody can make. */
function realTree(): string {
  const directory = temporaryDirectory()
  mkdirSync(path.join(directory, 'd'), { mode: 0o700 })
  for (const name of ['two words', 'new\nline', 'd/"q"', 'first']) writeFileSync(path.join(directory, name), `${name}!`)
  writeFileSync(path.join(directory, 'empty'), '')
  linkSync(path.join(directory, 'first'), path.join(directory, 'd/second'))
  linkSync(path.join(directory, 'first'), path.join(directory, 'third'))
  symlinkSync('a "target"', path.join(directory, 'link'))
  run('/usr/bin/mkfifo', ['fifo'], { cwd: directory })
  utimesSync(path.join(directory, 'first'), 5.25, 5.25)
  return directory
}

function expectRealTree(
  items: { entry: ManifestEntry; content: Buffer | null }[],
  directory: string,
  hasNs: boolean,
): void {
  const names = ['', 'd', 'd/"q"', 'd/second', 'empty', 'fifo', 'first', 'link', 'new\nline', 'third', 'two words']
  expect(sorted(items).map(({ entry: one }) => one.path.toString())).toEqual(names)
  for (const { entry: one, content } of items) {
    const stat = lstatSync(path.join(directory, one.path.toString()), { bigint: true })
    const mtimeNs = hasNs ? stat.mtimeNs : (stat.mtimeNs / second) * second
    const facts = { mode: Number(stat.mode) % 0o10000, uid: Number(stat.uid), gid: Number(stat.gid), mtimeNs }
    expect({ name: one.path.toString(), ...one }).toMatchObject({ name: one.path.toString(), ...facts })
    expect(one.size).toBe(one.type === 'file' ? Number(stat.size) : 0)
    if (content !== null) expect(content.equals(readFileSync(path.join(directory, one.path.toString())))).toBe(true)
  }
  const linked = items.filter(({ entry: one }) => one.hardLinkTo !== null)
  expect(linked).toHaveLength(2)
  const first = items.find(({ entry: one }) => equalBytes(one.path, linked[0]!.entry.hardLinkTo!))
  expect(first?.content?.toString()).toBe('first!')
}

describe.runIf(havePeers(cpio, bsdtar))('cpio archives', () => {
  const tree = [...withDeep, socket]
  const bytes = (entries: readonly ManifestEntry[] = tree) => collect(writeCpio(itemsOf(entries)))

  it('are listed by bsdtar as they were written', async () => {
    const back = await listedByBsdtar(await bytes())
    const wanted = listing(times(tree, clampedSeconds).map(withoutLinkSize))
    expect(back.map((one) => ({ ...one, hardLinkTo: null }))).toEqual(wanted)
  })

  it('are listed by cpio as they were written', async () => {
    const text = run(cpio, ['-itv', '--quiet', '--numeric-uid-gid'], { input: await bytes() }).toString('latin1')
    expect(text).toMatch(/^-rwsr-xr-x +2 3000000000 50 +5 Sep 13 +2020 suid$/m)
    expect(text).toMatch(/^brw-rw---- +1 0 +6 +300, 3000 Jan +1 +1970 block$/m)
    expect(text).toMatch(/^srwxr-xr-x .* socket$/m)
    expect(text).toMatch(/ dangling -> not\/here/)
    expect(text).toMatch(new RegExp(` ${deep}/file$`, 'm'))
  })

  it.each([true, false])('are unpacked by cpio with content and hard links, link counts known: %s', async (isKnown) => {
    const directory = temporaryDirectory()
    const some = nasty.filter(({ type }) => type !== 'block' && type !== 'character')
    const third = furtherName('third', suid)
    const blank = entry('blank file')
    const all = [...some, third, blank, furtherName('blank again', blank)]
    const entries = isKnown ? withLinkCounts(all) : all.map(({ linkCount, ...one }) => one)
    run(cpio, ['-id', '--quiet', '--no-preserve-owner'], { cwd: directory, input: await bytes(entries) })
    for (const one of entries.filter(({ type }) => type === 'file')) {
      const name = Buffer.concat([bytesOf(`${directory}/`), one.path])
      expect(readFileSync(name).equals(contentOf({ ...one, path: one.hardLinkTo ?? one.path }))).toBe(true)
    }
    const inode = (name: string) => lstatSync(path.join(directory, name)).ino
    expect([inode('suid again'), inode('third')]).toEqual([inode('suid'), inode('suid')])
    expect(inode('blank again')).toBe(inode('blank file'))
  })

  it('are unpacked by bsdtar with hard links, link counts unknown', async () => {
    const directory = temporaryDirectory()
    const { linkCount, ...first } = suid
    const entries = [first, furtherName('b', first), furtherName('c', first)]
    run(bsdtar, ['-xf', '-', '--no-same-owner'], { cwd: directory, input: await bytes(entries) })
    const inode = (name: string) => lstatSync(path.join(directory, name)).ino
    expect([inode('b'), inode('c')]).toEqual([inode('suid'), inode('suid')])
    expect(readFileSync(path.join(directory, 'c')).equals(contentOf(first))).toBe(true)
  })

  it('of cpio and bsdtar are read, with content that stands with the last name', async () => {
    const directory = realTree()
    const names = run('/usr/bin/find', ['.', '-print0'], { cwd: directory })
    const byCpio = run(cpio, ['-o', '-0', '-H', 'newc', '--quiet'], { cwd: directory, input: names })
    expectRealTree(await readable(readCpio, byCpio), directory, false)
    const byBsdtar = run(bsdtar, ['-cf', '-', '--format=newc', '.'], { cwd: directory })
    expectRealTree(await readable(readCpio, byBsdtar), directory, false)
  })
})

describe.runIf(havePeers(bsdtar))('mtree text', () => {
  it('is read back by bsdtar, and what bsdtar makes of it is read by us', async () => {
    // bsdtar 3.6 writes type=socket and does not read it.
    const tree = withDeep
    const text = await collect(writeMtree(asyncOf(tree)))
    const back = run(bsdtar, ['-cf', '-', '--format=mtree', '@-'], { cwd: temporaryDirectory(), input: text })
    const read = await listOf(readMtree(cut(back, 100)))
    expect(read.sort((a, b) => Buffer.compare(a.path, b.path))).toEqual(listing(tree))
  })

  it('of bsdtar is read, hard links included', async () => {
    const directory = realTree()
    const text = run(bsdtar, ['-cf', '-', '--format=mtree', '--options=mtree:all', '.'], { cwd: directory })
    const items = (await listOf(readMtree(cut(text, 100)))).map((one) => {
      const isFirst = one.type === 'file' && one.hardLinkTo === null
      return { entry: one, content: isFirst ? readFileSync(path.join(directory, one.path.toString())) : null }
    })
    expectRealTree(items, directory, true)
  })
})

describe.runIf(havePeers(fakeroot))('the save file of fakeroot', () => {
  const shown = ['-c', 'stat -c "%n %a %u %g %t:%T %F" a b c']

  function layOut(): { directory: string; identity: (name: string) => { dev: bigint; ino: bigint; nlink: number } } {
    const directory = temporaryDirectory()
    for (const name of ['a', 'b', 'c']) writeFileSync(path.join(directory, name), '')
    const identity = (name: string) => {
      const { dev, ino, nlink } = lstatSync(path.join(directory, name), { bigint: true })
      return { dev, ino, nlink: Number(nlink) }
    }
    return { directory, identity }
  }

  it('is shown by fakeroot as it was written', async () => {
    const { directory, identity } = layOut()
    const records = [
      fakerootRecord(entry('a', { mode: 0o4755, uid: 3000000000, gid: 50 }), identity('a')),
      fakerootRecord(entry('b', { type: 'block', device: { major: 300, minor: 3000 }, mode: 0o660 }), identity('b')),
      fakerootRecord(entry('c', { type: 'character', device: { major: 1, minor: 3 } }), identity('c')),
    ]
    const file = path.join(directory, 'save')
    writeFileSync(file, await collect(writeFakeroot(asyncOf(records))))
    const text = run(fakeroot, ['-i', file, '--', '/bin/sh', ...shown], { cwd: directory }).toString()
    expect(text.split('\n').slice(0, 3)).toEqual([
      'a 4755 3000000000 50 0:0 regular empty file',
      'b 660 0 0 12c:bb8 block special file',
      'c 644 0 0 1:3 character special file',
    ])
  })

  it('of fakeroot is read', async () => {
    const { directory, identity } = layOut()
    const file = path.join(directory, 'save')
    const script = 'chown 7:8 a && chmod 4711 a && rm b && mknod b c 300 3000'
    run(fakeroot, ['-s', file, '--', '/bin/sh', '-c', script], { cwd: directory })
    const records = await listOf(readFakeroot(cut(readFileSync(file), 10)))
    const find = (name: string) => records.find(({ ino }) => ino === identity(name).ino)
    expect(find('a')).toMatchObject({ ...identity('a'), type: 'file', mode: 0o4711, uid: 7, gid: 8 })
    expect(find('b')).toMatchObject({ type: 'character', device: { major: 300, minor: 3000 } })
  })
})

describe.runIf(havePeers('/usr/bin/mksquashfs', '/usr/bin/unsquashfs'))('the pseudo file of squashfs-tools', () => {
  it('is packed by mksquashfs and listed by unsquashfs as it was written', async () => {
    const directory = temporaryDirectory()
    const tree = path.join(directory, 'tree')
    mkdirSync(path.join(tree, 'two words'), { recursive: true })
    const files = ['two words/suid', 'q"uote\\ $(x)']
    for (const name of files) writeFileSync(path.join(tree, name), name)
    const entries = [
      entry('two words', { type: 'directory', mode: 0o1777, uid: 3000000000 }),
      entry('two words/suid', { mode: 0o4755, uid: 1, gid: 2 }),
      entry('q"uote\\ $(x)', { mode: 0o600, uid: 4 }),
      entry('b', { type: 'block', device: { major: 8, minor: 1 }, gid: 6, mode: 0o660 }),
      entry('c', { type: 'character', device: { major: 300, minor: 200 } }),
      entry('fifo \\"', { type: 'fifo' }),
      entry('sock', { type: 'socket', mode: 0o755 }),
      entry('no utf-8 \xff', { type: 'symlink', mode: 0o777, uid: 5, linkTarget: bytesOf('a "b" \\c ') }),
    ]
    const pseudo = path.join(directory, 'pseudo')
    writeFileSync(pseudo, await collect(writeSquashfsPseudo(asyncOf(entries), { times: true })))
    const image = path.join(directory, 'image')
    run('/usr/bin/mksquashfs', [tree, image, '-noappend', '-no-progress', '-quiet', '-processors', '1', '-pf', pseudo])
    const text = run('/usr/bin/unsquashfs', ['-lln', '-processors', '1', image]).toString('latin1')
    const lines = text.split('\n').map((line) => line.replaceAll(/ +/g, ' '))
    const made = '1970-01-01 00:00'
    const found = (name: string) => lines.find((line) => line.includes(`squashfs-root/${name}`))
    expect(found('two words')).toMatch(/^drwxrwxrwt 3000000000\/0 /)
    expect(found('two words/suid')).toMatch(/^-rwsr-xr-x 1\/2 14 /)
    expect(found('q"uote\\ $(x)')).toMatch(/^-rw------- 4\/0 /)
    expect(found('b')).toBe(`brw-rw---- 0/6 8, 1 ${made} squashfs-root/b`)
    expect(found('c')).toMatch(/^crw-r--r-- 0\/0 /)
    expect(found('fifo \\"')).toBe(`prw-r--r-- 0/0 0 ${made} squashfs-root/fifo \\"`)
    expect(found('sock')).toBe(`srwxr-xr-x 0/0 0 ${made} squashfs-root/sock`)
    expect(found('no utf-8')).toBe(`lrwxrwxrwx 5/0 9 ${made} squashfs-root/no utf-8 \xff -> a "b" \\c `)
  })
})
