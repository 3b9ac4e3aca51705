import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { commandPath } from '../support/command.js'
import { isRoot, makeNastyTree, removeTree, scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'
import { havePeers } from '../support/peers.js'

// Root makes a tree, and a tool lists it. Then it becomes the humfs tree of an ordinary user, who exports it and has the
// same tool list what came out. The two lists have to be the same.

const gnuTar = '/usr/bin/tar'
const bsdtar = '/usr/bin/bsdtar'
const cpio = '/usr/bin/cpio'
const fakeroot = '/usr/bin/fakeroot'
const mksquashfs = '/usr/bin/mksquashfs'
const unsquashfs = '/usr/bin/unsquashfs'

type User = { readonly uid?: number; readonly gid?: number }
const root: User = {}

function run(user: User, cwd: string, program: string, args: readonly string[], input?: Buffer): Buffer {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
  const done = spawnSync(program, args, { ...user, cwd, input: input ?? '', env, timeout: 120_000, maxBuffer: 2 ** 28 })
  expect({ program, args, status: done.status, stderr: done.stderr.toString() }).toMatchObject({ status: 0 })
  return done.stdout
}

/** Where a tool works, and on what. */
interface Scene {
  readonly user: User
  /** The tree with `data`, which the user may write to. */
  readonly top: string
  readonly data: string
}

interface Exporting extends Scene {
  /** Runs the verb. Returns what it said on stderr. */
  exported(...args: string[]): string
}

async function humfsOfOther(theirs: Scene): Promise<Exporting> {
  const { top } = theirs
  await humfsify(top, { user: `${otherUser.uid}`, group: `${otherUser.gid}`, size: 2 ** 30, noSync: true })
  const exported = (...args: string[]): string => {
    const given = [commandPath, 'humfs', 'export', '--no-sync', ...args]
    const done = spawnSync(process.execPath, given, { ...otherUser, cwd: top, encoding: 'utf8' })
    expect(done, done.stderr).toMatchObject({ status: 0 })
    return done.stderr
  }
  return { ...theirs, user: otherUser, exported }
}

function nastyTree(): Scene {
  const top = scratchDirectory()
  fs.chownSync(top, otherUser.uid, otherUser.gid)
  makeNastyTree(top)
  const data = path.join(top, 'data')
  // humfsify keeps the times of what it replaces to the microsecond.
  run(root, data, '/usr/bin/find', ['.', '-exec', 'touch', '-h', '-d', '2020-01-02 03:04:05.25', '{}', '+'])
  run(root, data, '/usr/bin/touch', [
    '-h',
    '-d',
    '2001-09-09 01:46:40.123456789',
    'plain',
    'dangling',
    'fifo',
    'sticky',
  ])
  return { user: root, top, data }
}

async function expectSame<T>(
  theirs: (scene: Scene) => T,
  ours: (scene: Exporting) => T,
  prepare: (scene: Scene) => void = () => {},
): Promise<void> {
  const scene = nastyTree()
  prepare(scene)
  const wanted = theirs(scene)
  expect(ours(await humfsOfOther(scene))).toEqual(wanted)
}

const lines = (text: Buffer): string[] => text.toString('latin1').trimEnd().split('\n').sort()

/** A line of a list of an archive, cut into what is the same for all names of a file, and the name. */
interface Listed {
  readonly facts: string
  readonly size: string
  readonly time: string
  readonly name: string
  readonly linkTo: string | null
}

/** Names with what they are, and the names that are one file with them, whichever of them an archive has first. */
function grouped(listed: readonly Listed[]): Record<string, string> {
  const firstOf = new Map(listed.map((one) => [one.name, one]))
  const first = ({ linkTo, name }: Listed) => (linkTo === null ? name : linkTo)
  const result: Record<string, string> = {}
  for (const one of listed) {
    const { facts, size, time } = firstOf.get(first(one))!
    // The tools store every name of a device as a device of its own.
    const isDevice = facts[0] === 'c' || facts[0] === 'b'
    const group = listed.filter((other) => first(other) === first(one) && !isDevice).map(({ name }) => name)
    result[one.name] = [facts, size, time, ...group.sort()].join(' ')
  }
  return result
}

const plainName = (name: string): string => name.replace(/^\.\//, '').replace(/\/$/, '')

/** What a list has after the time: NAME, `NAME -> TARGET` of a symbolic link, `NAME link to FIRST` of a further name. */
function named(mode: string, rest: string): Pick<Listed, 'name' | 'linkTo'> & { target: string } {
  const mark = mode[0] === 'h' ? ' link to ' : mode[0] === 'l' ? ' -> ' : '\0'
  const [name = '', other = ''] = rest.split(mark)
  const isFurther = mode[0] === 'h'
  return { name: plainName(name), linkTo: isFurther ? plainName(other) : null, target: isFurther ? '' : other }
}

/** `tar -tv`: MODE OWNER/GROUP SIZE DATE TIME NAME. */
function listTar(scene: Scene, archive: string): Record<string, string> {
  const options = ['--numeric-owner', '--quoting-style=escape', '--full-time', '--warning=no-unknown-keyword']
  const text = run(scene.user, scene.top, gnuTar, ['-tvf', archive, ...options])
  return grouped(
    lines(text).map((line) => {
      const [, mode = '', owner, size = '', date, time = '', rest = ''] =
        /^(\S+) (\S+) +(\S+) (\S+) (\S+) +(.*)$/.exec(line) ?? []
      const { target, ...names } = named(mode, rest)
      return { facts: `${mode} ${owner} ${target}`, size, time: `${date} ${time}`, ...names }
    }),
  )
}

/** `bsdtar -tv`: MODE LINKS OWNER GROUP SIZE TIME NAME. */
function listBsdtar(scene: Scene, archive: string): Record<string, string> {
  const text = run(scene.user, scene.top, bsdtar, ['-tvf', archive, '--numeric-owner'])
  return grouped(
    lines(text).map((line) => {
      const [, mode = '', user, group, size = '', time = '', rest = ''] =
        /^(\S+) +\d+ +(\S+) +(\S+) +(\d+|\d+,\d+) (.{12}) (.*)$/.exec(line) ?? []
      const { target, ...names } = named(mode, rest)
      return { facts: `${mode} ${user} ${group} ${target}`, size, time, ...names }
    }),
  )
}

/** `cpio -itv`. Which of the names of a file has the content, and its size, is up to the writer. */
function listCpio(scene: Scene, archive: string): string[] {
  const input = fs.readFileSync(path.join(scene.top, archive))
  const text = run(scene.user, scene.top, cpio, ['-itv', '--quiet', '--numeric-uid-gid'], input)
  const told = lines(text).map((line) => {
    const [, mode, links, rest = ''] = /^(\S+) +(\d+) (.*)$/.exec(line) ?? []
    if (mode === undefined) return line // The rest of a name with a newline.
    const isShared = Number(links) > 1 && mode[0] === '-'
    return `${mode[0] === 'd' ? '' : links} ${mode} ${isShared ? rest.replace(/^(\S+ +\S+) +\d+/, '$1') : rest}`
  })
  return told.sort()
}

const allNames = ['.', '-print0']
const statFormat = '%A %h %u %g %t:%T %N'
const statAll = `find . -print0 | LC_ALL=C xargs -0 stat -c '${statFormat}'`

const newestSquashfs = ['-noappend', '-no-progress', '-quiet', '-processors', '1']

/** What no ordinary user can unpack. */
const notUnpacked = ['null', 'big', 'bigger', 'dir/disk', 'dir/second name of a device']

/** Files with their content, and which names are one. */
function contents(top: string, directory: string): Record<string, string> {
  const all = Object.entries(snapshot(top)).filter(([name]) => name.startsWith(`${directory}/`))
  const files = all.filter(([, facts]) => facts.startsWith('10'))
  return Object.fromEntries(
    files.map(([name, facts]) => [name.slice(directory.length + 1), facts.split(' ').slice(6).join(' ')]),
  )
}

const canExport = isRoot && havePeers(gnuTar, bsdtar, cpio, fakeroot, mksquashfs, unsquashfs) && canBeOtherUser()

describe.runIf(canExport)('a humfs tree that an ordinary user exports', () => {
  it('to tar is listed by GNU tar as the tree that it was', async () => {
    await expectSame(
      (scene) => {
        run(root, scene.data, gnuTar, ['-cf', '../reference.tar', '--format=posix', '--numeric-owner', '.'])
        return listTar(scene, 'reference.tar')
      },
      (scene) => {
        const said = scene.exported('--to', 'tar', 'ours.tar')
        expect(said.split('\n')).toHaveLength(3)
        expect(said).toContain('warning: socket: left out: tar archives hold no sockets')
        return listTar(scene, 'ours.tar')
      },
    )
  })

  it('to tar is listed by bsdtar as the tree that it was', async () => {
    await expectSame(
      (scene) => {
        // bsdtar leaves a socket out, but not its further names.
        const sockets = ['--exclude=./socket', '--exclude=./dir/second name of a socket']
        run(root, scene.data, bsdtar, ['-cf', '../reference.tar', '--format=pax', ...sockets, '.'])
        return listBsdtar(scene, 'reference.tar')
      },
      (scene) => {
        scene.exported('--to', 'tar', 'ours.tar')
        return listBsdtar(scene, 'ours.tar')
      },
    )
  })

  it.each([gnuTar, bsdtar])('to tar is unpacked by %s with its content', async (program) => {
    const scene = await humfsOfOther(nastyTree())
    const { top } = scene
    fs.mkdirSync(path.join(top, 'out'))
    fs.chownSync(path.join(top, 'out'), otherUser.uid, otherUser.gid)
    scene.exported('--to', 'tar', '--quiet', 'ours.tar')
    const excluded = notUnpacked.map((name) => `--exclude=${name}`)
    const quiet = program === gnuTar ? ['--warning=no-unknown-keyword'] : []
    run(otherUser, path.join(top, 'out'), program, ['-xf', '../ours.tar', '--no-same-owner', ...quiet, ...excluded])
    const wanted = contents(top, 'data')
    for (const name of [...notUnpacked, 'socket', 'dir/second name of a socket']) delete wanted[name]
    expect(Object.keys(wanted).length).toBeGreaterThan(30)
    expect(contents(top, 'out')).toEqual(wanted)
  })

  it('to cpio is listed by cpio as the tree that it was', async () => {
    await expectSame(
      (scene) => {
        const names = run(root, scene.data, '/usr/bin/find', allNames)
        const archive = run(root, scene.data, cpio, ['-o', '-0', '-H', 'newc', '--quiet'], names)
        fs.writeFileSync(path.join(scene.top, 'reference'), archive)
        return listCpio(scene, 'reference')
      },
      (scene) => {
        scene.exported('--to', 'cpio', 'ours')
        return listCpio(scene, 'ours')
      },
    )
  })

  it('to fakeroot is shown by fakeroot as the tree that it was', async () => {
    await expectSame(
      ({ data }) => lines(run(root, data, '/bin/sh', ['-c', statAll])),
      (scene) => {
        scene.exported('--to', 'fakeroot', 'save')
        return lines(run(otherUser, scene.data, fakeroot, ['-i', '../save', '--', '/bin/sh', '-c', statAll]))
      },
    )
  })

  it('to mtree is made a tar archive by bsdtar as the tree that it was', async () => {
    await expectSame(
      (scene) => {
        run(root, scene.data, gnuTar, ['-cf', '../reference.tar', '--format=posix', '--numeric-owner', '.'])
        return listTar(scene, 'reference.tar')
      },
      (scene) => {
        expect(scene.exported('--to', 'mtree', '--no-sockets', 'manifest')).toBe('')
        run(otherUser, scene.data, bsdtar, ['-cf', '../ours.tar', '--format=pax', '@../manifest'])
        return listTar(scene, 'ours.tar')
      },
    )
  })

  it('to squashfs is packed by mksquashfs and listed by unsquashfs as the tree that it was', async () => {
    const listing = (scene: Scene, image: string): string[] =>
      lines(run(scene.user, scene.top, unsquashfs, ['-lln', '-processors', '1', image]))
    await expectSame(
      (scene) => {
        run(root, scene.top, mksquashfs, ['data', 'reference.img', ...newestSquashfs])
        return listing(scene, 'reference.img')
      },
      (scene) => {
        const said = scene.exported('--to', 'squashfs', '--exclude-file', 'ef', 'pf')
        expect(said).toContain('a pseudo file cannot define the top: mode 755, owner 0:0')
        const top = ['-root-mode', '755', '-root-uid', '0', '-root-gid', '0']
        run(otherUser, scene.top, mksquashfs, ['data', 'ours.img', ...newestSquashfs, ...top, '-pf', 'pf', '-ef', 'ef'])
        return listing(scene, 'ours.img')
      },
      ({ data }) => {
        for (const name of ['two\nlines', 'dir/two\nlines']) removeTree(path.join(data, name))
      },
    )
  })

  it('to squashfs is refused by name where a name does not fit', async () => {
    const { top } = await humfsOfOther(nastyTree())
    const given = [commandPath, 'humfs', 'export', '--to', 'squashfs', 'pf']
    const done = spawnSync(process.execPath, given, { ...otherUser, cwd: top, encoding: 'utf8' })
    expect(done).toMatchObject({ status: 4, stdout: '' })
    expect(done.stderr).toContain('umlcow: two\\x0alines: a pseudo file cannot hold a name with a newline\n')
    expect(done.stderr).toContain('umlcow: big: is a character that mksquashfs takes for a file')
    expect(fs.readdirSync(top).filter((name) => name.includes('pf') || name.includes('.umlcow'))).toEqual([])
  })
})
