import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importHumfs } from '../../src/index.js'
import { readDirectory } from '../../src/trees/kinds/directory/source.js'
import { readHumfsTree } from '../../src/trees/kinds/humfs/source.js'
import { archiveFiles } from '../../src/verbs/extract/archive-files.js'
import { extractFiles } from '../../src/verbs/extract/extract-files.js'
import { commandPath } from '../support/command.js'
import { makeExtImage } from '../support/ext-images.js'
import { isRoot, makeNastyTree, removeTree, snapshot } from '../support/humfs-tree.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'
import { havePeers } from '../support/peers.js'
import { readAll } from '../trees/scenes.js'

// The nasty tree goes into an image by mke2fs, and comes back as files, as a tar archive and as a humfs tree.

const [mke2fs, tar, bsdtar, getfattr] = [
  '/usr/sbin/mke2fs',
  '/usr/bin/tar',
  '/usr/bin/bsdtar',
  '/usr/bin/getfattr',
] as const
const ext4 = { name: 'ext4', args: '-t ext4 -b 4096 -I 256'.split(' '), size: '48M' }
const attributesOf = (directory: string) =>
  run(getfattr, ['-R', '-P', '-h', '-d', '-e', 'hex', '-m', '^(user|trusted|system|security.cap)', '.'], directory)
    .split('\n\n')
    .sort()

function run(program: string, args: readonly string[], cwd: string): string {
  const done = spawnSync(program, args, { cwd, encoding: 'latin1', env: { ...process.env, LC_ALL: 'C' } })
  expect(done.stderr.replaceAll(/.*(socket|time stamp).*\n/g, '')).toBe('')
  expect(done.status).toBe(0)
  return done.stdout
}

/** Without the directory that mke2fs makes, and where the archive cannot hold them, without sockets. */
function comparable(top: string, { sockets = true } = {}): Record<string, string> {
  const found = Object.entries(snapshot(path.dirname(top))).filter(([name]) => !name.includes('lost+found'))
  // The link count of the top counts lost+found, too.
  const plain = found.map(([name, text]) => [name, name === 'data' ? '' : text] as const)
  return Object.fromEntries(plain.filter(([, text]) => sockets || !text.startsWith('140')))
}

describe.runIf(havePeers(mke2fs, tar, bsdtar, getfattr) && isRoot)('the nasty tree in an image', () => {
  let top: string
  let source: string
  let image: string
  beforeAll(() => {
    top = fs.mkdtempSync(path.join(tmpdir(), 'umlcow-test-'))
    makeNastyTree(path.join(top, 'source'))
    source = path.join(top, 'source/data')
    const at = (name: string) => path.join(source, name)
    // mke2fs makes two links of a symbolic link with two names.
    fs.unlinkSync(at('second link'))
    run('/usr/bin/setfattr', ['-n', 'user.note', '-v', 'a value', at('plain')], top)
    run('/usr/bin/setfattr', ['-n', 'trusted.t', '-v', 'x', at('dir')], top)
    const acl = '0x0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000400ffffffff'
    run('/usr/bin/setfattr', ['-n', 'system.posix_acl_access', '-v', acl, at('metadata')], top)
    const cap = '0x0100000200200000000000000000000000000000'
    run('/usr/bin/setfattr', ['-n', 'security.capability', '-v', cap, at('mode4')], top)
    fs.writeFileSync(at('pieces'), 'start')
    fs.truncateSync(at('pieces'), 5_000_000)
    const fd = fs.openSync(at('pieces'), 'r+')
    fs.writeSync(fd, 'end', 3_000_000)
    fs.closeSync(fd)
    image = path.join(top, 'image')
    makeExtImage(image, ext4, source)
  })
  afterAll(() => removeTree(top))

  /** A place for a tree, alone in its directory: its names need not be UTF-8. */
  const newPlace = (name: string): string => {
    fs.mkdirSync(path.join(top, name))
    return path.join(top, name, 'data')
  }

  it('is extracted as it was', async () => {
    const out = newPlace('extracted')
    const result = await extractFiles(image, out, { noSync: true })
    expect(result.warnings).toEqual([])
    expect(comparable(out)).toEqual(comparable(source))
    expect(attributesOf(out)).toEqual(attributesOf(source))
    expect(fs.statSync(path.join(out, 'pieces')).blocks).toBeLessThan(100)
  })

  it('is extracted by its paths, each whole', async () => {
    const out = path.join(top, 'parts')
    fs.mkdirSync(out)
    const paths = ['dir', 'plain', 'dangling', 'third name'].map((name) => `/${name}`)
    await extractFiles(image, out, { noSync: true, paths })
    expect(fs.readdirSync(out).sort()).toEqual(['dangling', 'dir', 'plain', 'third name'])
    expect(fs.statSync(path.join(out, 'third name')).ino).toBe(fs.statSync(path.join(out, 'plain')).ino)
    const before = snapshot(out)
    await expect(extractFiles(image, out, { noSync: true, paths: ['fifo', '/plain'] })).rejects.toMatchObject({
      code: 'TARGET_EXISTS',
    })
    expect(snapshot(out)).toEqual(before)
  })

  it.runIf(canBeOtherUser())('is extracted by an ordinary user as far as that can be, and the rest is reported', () => {
    const out = path.join(top, 'of nobody')
    fs.mkdirSync(out)
    fs.chmodSync(top, 0o755)
    fs.chownSync(out, otherUser.uid, otherUser.gid)
    const locked = path.join(top, 'locked')
    fs.mkdirSync(path.join(locked, 'tree'), { recursive: true })
    fs.writeFileSync(path.join(locked, 'tree/read only'), 'x')
    run('/usr/bin/setfattr', ['-n', 'user.note', '-v', 'y', path.join(locked, 'tree/read only')], top)
    fs.chmodSync(path.join(locked, 'tree/read only'), 0o444)
    makeExtImage(`${image}2`, ext4, locked)
    const extract = (...args: string[]) => {
      const command = [commandPath, 'extract', '--no-sync', '--json', '-C', out, ...args]
      const done = spawnSync(process.execPath, command, { ...otherUser, cwd: '/', encoding: 'utf8' })
      expect(done.status, done.stderr).toBe(0)
      return { ...JSON.parse(done.stdout), lines: done.stderr.split('\n') }
    }
    const { losses, lines } = extract(image, '/dir', 'mode0', 'metadata', 'plain', 'null', 'big')
    expect(losses).toMatchObject({
      devices: { count: 4, files: expect.arrayContaining(['dir/disk', 'null', 'big']) },
      modes: { count: 1, files: ['mode0'] },
      attributes: { count: 2, files: ['dir: trusted.t', 'metadata: system.posix_acl_access'] },
    })
    expect(losses.owners.count).toBeGreaterThan(10)
    expect(lines).toHaveLength(5)
    expect(fs.readdirSync(out).sort()).toEqual(['dir', 'metadata', 'mode0', 'plain'])
    expect(fs.statSync(path.join(out, 'mode0')).mode & 0o7777).toBe(0o755)
    expect(extract(`${image}2`, 'tree').losses.attributes.count).toBe(0)
    expect(fs.statSync(path.join(out, 'tree/read only')).mode & 0o7777).toBe(0o444)
    expect(attributesOf(out)).toEqual([
      '',
      '# file: dir/second name\nuser.note=0x612076616c7565',
      '# file: plain\nuser.note=0x612076616c7565',
      '# file: tree/read only\nuser.note=0x79',
    ])
  })

  it.each([
    ['GNU tar', tar, ['-x', '-p', '--acls', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-f', '-']],
    ['bsdtar', bsdtar, ['-x', '-p', '--acls', '--xattrs', '--numeric-owner', '-f', '-']],
  ])('comes back from tar by %s', async (name, program, args) => {
    const [archive, out] = [path.join(top, 'all.tar'), newPlace(name)]
    await archiveFiles(image, archive, { format: 'tar', overwrite: true, noSync: true })
    fs.mkdirSync(out)
    const done = spawnSync(program, args, { cwd: out, input: fs.readFileSync(archive), encoding: 'latin1' })
    expect(done.stderr).toBe('')
    expect(comparable(out)).toEqual(comparable(source, { sockets: false }))
    expect(attributesOf(out)).toEqual(attributesOf(source))
    expect(fs.statSync(path.join(out, 'pieces')).blocks).toBeLessThan(100)
  })

  it('gives the same bytes each time, and some paths by their own names', async () => {
    const [first, second] = [path.join(top, '1.tar'), path.join(top, '2.tar')]
    for (const file of [first, second]) await archiveFiles(image, file, { format: 'tar', noSync: true })
    expect(fs.readFileSync(first).equals(fs.readFileSync(second))).toBe(true)
    const some = path.join(top, 'some.tar')
    await archiveFiles(image, some, { format: 'tar', noSync: true, paths: ['/dir/disk', 'plain'] })
    expect(run(tar, ['-tf', some], top)).toBe('dir/disk\nplain\n')
  })

  it('becomes the same humfs tree as the directory does', async () => {
    const trees = ['from image', 'from directory'].map((name) => path.join(top, name)) as [string, string]
    const how = { noSync: true, renameMetadata: '.d', owner: 1000, group: 1000 }
    await importHumfs(image, trees[0], { ...how, from: 'image' })
    await importHumfs(source, trees[1], { ...how, from: 'directory' })
    const [own, wanted] = await Promise.all(trees.map((tree) => readAll(readHumfsTree(tree))))
    const withoutTimes = (all: typeof own) =>
      Object.entries(all!)
        .filter(([name]) => name !== '' && !name.includes('lost+found'))
        .map(([name, { text, content }]) => [name, text.split(' ').toSpliced(7, 1), content])
    expect(JSON.stringify(withoutTimes(own))).toBe(JSON.stringify(withoutTimes(wanted)))
    expect(Object.keys(await readAll(readDirectory(source))).length).toBe(Object.keys(wanted!).length)
  })
})
