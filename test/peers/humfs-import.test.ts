import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { amount, tally } from '../support/amount.js'
import { commandPath, umlcow } from '../support/command.js'
import { isRoot, makeNastyTree, removeTree, type Snapshot, scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { callsOf, chosenPoints, killPoints, killUmlcow, pointText } from '../support/killed-runs.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'
import { havePeers } from '../support/peers.js'

const gnuTar = '/usr/bin/tar'
const bsdtar = '/usr/bin/bsdtar'
const cpio = '/usr/bin/cpio'
const fakeroot = '/usr/bin/fakeroot'
const mksquashfs = '/usr/bin/mksquashfs'
const unsquashfs = '/usr/bin/unsquashfs'
const killCount = amount({ quick: 3, deep: 60 })
const moreCount = amount({ quick: 0, deep: 60 })

function run(program: string, args: readonly string[], cwd: string, input: Uint8Array = Buffer.alloc(0)): Buffer {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
  const done = spawnSync(program, args, { cwd, input, env, timeout: 60_000, maxBuffer: 2 ** 27 })
  expect(done.status, `${program} ${args.join(' ')}: ${done.stderr}`).toBe(0)
  return done.stdout
}

/** The command as somebody who is not root. */
function asOther(args: readonly string[], cwd: string, input: Uint8Array = Buffer.alloc(0)) {
  const done = spawnSync(process.execPath, [commandPath, ...args], { cwd, input, ...otherUser, timeout: 60_000 })
  return { status: done.status, stdout: done.stdout.toString(), stderr: done.stderr.toString() }
}

interface Scene {
  readonly top: string
  /** Holds data/. */
  readonly plain: string
  /** Where the other user may write. */
  readonly home: string
}

function makeScene(): Scene {
  const top = scratchDirectory()
  const [plain, home] = [path.join(top, 'plain'), path.join(top, 'home')]
  for (const one of [plain, home]) fs.mkdirSync(one)
  fs.chmodSync(top, 0o755)
  fs.chownSync(home, otherUser.uid, otherUser.gid)
  makeNastyTree(plain)
  return { top, plain, home }
}

function dataOf(all: Snapshot): Snapshot {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name === 'data' || name.startsWith('data/')))
}

/** Whole seconds of all modification times. */
function seconds(top: string): Record<string, number> {
  const names = Object.keys(dataOf(snapshot(top)))
  const at = (name: string) => Buffer.concat([Buffer.from(`${top}/`), Buffer.from(name, 'latin1')])
  return Object.fromEntries(names.map((name) => [name, Math.floor(fs.lstatSync(at(name)).mtimeMs / 1000)]))
}

const sockets = ['socket', 'dir/second name of a socket']

/** What an archive cannot hold. */
function remove(plain: string, names: readonly string[]): void {
  for (const name of names) fs.rmSync(path.join(plain, 'data', name), { force: true })
}

/** As an ordinary user: the archive becomes a humfs tree that is clean; as root that gives back what was packed. */
function expectRoundTrip({ plain, home }: Scene, archive: Uint8Array, args: readonly string[]): void {
  const done = asOther(['humfs', 'import', ...args, '--size', '1G', '-', 'made'], home, archive)
  expect(done).toMatchObject({ status: 0, stderr: '' })
  expect(fs.readdirSync(home)).toEqual(['made'])
  const made = path.join(home, 'made')
  for (const facts of Object.values(snapshot(made))) {
    expect(facts.split(' ').slice(1, 3)).toEqual([`${otherUser.uid}`, `${otherUser.gid}`])
  }
  expect(asOther(['humfs', 'check', 'made'], home)).toMatchObject({ status: 0, stderr: '' })
  expect(umlcow(['humfsify', '-r', '--no-sync'], { cwd: made })).toMatchObject({ status: 0, stderr: '' })
  expect(snapshot(made)).toEqual(snapshot(plain))
  expect(seconds(made)).toEqual(seconds(plain))
}

const canRun = isRoot && canBeOtherUser()

describe.runIf(canRun && havePeers(gnuTar, bsdtar, cpio, fakeroot, mksquashfs, unsquashfs))(
  'archives of the real tools, imported without root',
  () => {
    it.each([
      // GNU tar makes a device of each of its names, and bsdtar stores files with holes in a form that is refused.
      ['GNU tar, pax', gnuTar, ['--format=posix'], ['dir/second name of a device']],
      ['GNU tar, gnu', gnuTar, ['--format=gnu'], ['dir/second name of a device']],
      ['bsdtar, pax', bsdtar, ['--format=pax'], ['dir/second name of a device', 'sparse']],
    ])('%s', (_, program, args, unfit) => {
      const scene = makeScene()
      remove(scene.plain, [...sockets, ...unfit])
      const archive = run(program, ['-cf', '-', ...args, '--numeric-owner', '-C', 'data', '.'], scene.plain)
      expectRoundTrip(scene, archive, ['--from', 'tar'])
    })

    it('cpio', () => {
      const scene = makeScene()
      const names = run('/usr/bin/find', ['.', '-print0'], path.join(scene.plain, 'data'))
      const archive = run(cpio, ['-o', '-0', '-H', 'newc', '--quiet'], path.join(scene.plain, 'data'), names)
      expectRoundTrip(scene, archive, ['--from', 'cpio'])
    })

    it('bsdtar, cpio', () => {
      const scene = makeScene()
      remove(scene.plain, sockets)
      const archive = run(bsdtar, ['-cf', '-', '--format=newc', '-C', 'data', '.'], scene.plain)
      expectRoundTrip(scene, archive, ['--from', 'cpio'])
    })

    it('mtree text of bsdtar, with the tree', () => {
      const scene = makeScene()
      remove(scene.plain, sockets)
      // Anybody may read what is in it; the text was made before.
      const options = ['--format=mtree', '--options=mtree:all', '-C', 'data', '.']
      const text = run(bsdtar, ['-cf', '-', ...options], scene.plain)
      const readable = path.join(scene.top, 'readable')
      run('/usr/bin/cp', ['-a', path.join(scene.plain, 'data'), readable], scene.top)
      run('/bin/chmod', ['-R', 'a+rX', readable], scene.top)
      expectRoundTrip(scene, text, ['--from', 'mtree', '--tree', readable])
    })

    it('the save file of fakeroot, with the tree', () => {
      const { home } = makeScene()
      fs.mkdirSync(path.join(home, 'tree'))
      const script =
        'cd tree; echo x > f; ln f g; mkdir d; mknod d/n b 300 3000; mknod c c 1 3; ln -s y l; chown 3000000000:50 f; ' +
        'chmod 4755 f; chown -h 7:8 l; chown 5:6 d; chmod 1777 d; chown 0:0 .'
      fs.chownSync(path.join(home, 'tree'), otherUser.uid, otherUser.gid)
      const env = { ...process.env, LC_ALL: 'C' }
      const made = spawnSync(fakeroot, ['-s', 'save', '--', '/bin/sh', '-c', script], { cwd: home, env, ...otherUser })
      expect(made.status, `${made.stderr}`).toBe(0)
      const args = ['humfs', 'import', '--from', 'fakeroot', '--tree', 'tree', 'save', 'made']
      expect(asOther(args, home)).toMatchObject({ status: 0, stderr: '' })
      expect(asOther(['humfs', 'check', 'made'], home)).toMatchObject({ status: 0, stderr: '' })
      expect(umlcow(['humfsify', '-r', '--no-sync'], { cwd: path.join(home, 'made') }).status).toBe(0)
      const shown = ['-c', '%n %A %u:%g %t,%T %h', '.', 'f', 'g', 'd', 'd/n', 'c', 'l']
      const within = spawnSync(fakeroot, ['-i', 'save', '--', '/bin/sh', '-c', 'cd tree; stat "$@"', 'sh', ...shown], {
        cwd: home,
        env,
        ...otherUser,
      })
      expect(run('/usr/bin/stat', shown, path.join(home, 'made/data')).toString()).toBe(within.stdout.toString())
      expect(within.stdout.toString()).toContain('f -rwsr-xr-x 3000000000:50 0,0 2\n')
    })

    it('the pseudo file of mksquashfs, with the tree', () => {
      const { home } = makeScene()
      const tree = path.join(home, 'tree')
      fs.mkdirSync(path.join(tree, 'dir'), { recursive: true })
      fs.writeFileSync(path.join(tree, 'dir/two words'), 'x')
      const pseudo =
        '"dir/two words" m 4755 3000000000 50\ndir m 1777 5 6\ndir/n b 660 0 6 300 3000\ns i 755 0 0 s\nl s 777 7 8 a b\n'
      fs.writeFileSync(path.join(home, 'pseudo'), pseudo)
      const args = ['humfs', 'import', '--from', 'squashfs', '--tree', 'tree', 'pseudo', 'made']
      expect(asOther(args, home)).toMatchObject({ status: 0, stderr: '' })
      expect(asOther(['humfs', 'check', 'made'], home)).toMatchObject({ status: 0, stderr: '' })
      const read = (name: string) => fs.readFileSync(path.join(home, 'made', name), 'latin1')
      expect(read('file_metadata/dir/two words')).toBe('2541 3000000000 50\n')
      expect(read('dir_metadata/dir/metadata')).toBe('1023 5 6\n')
      expect(read('file_metadata/dir/n')).toBe('432 0 6 b 300 3000\n')
      expect(read('file_metadata/s')).toBe('493 0 0 s 0 0\n')
      expect(fs.readlinkSync(path.join(home, 'made/data/l'))).toBe('a b')
    })

    it('the pseudo file of unsquashfs, with its data and without a tree', () => {
      const scene = makeScene()
      const { top, plain } = scene
      // unsquashfs lists some further names of links as links of their own.
      remove(plain, ['second link'])
      // unsquashfs writes these names so that mksquashfs cannot read them either.
      for (const name of ['two\nlines', '\t']) {
        remove(plain, [name])
        fs.rmSync(path.join(plain, 'data/dir', name), { recursive: true })
      }
      const quiet = ['-noappend', '-no-progress', '-quiet', '-processors', '1', '-noD', '-noI', '-noF']
      run(mksquashfs, ['plain/data', 'image', ...quiet], top)
      run(unsquashfs, ['-processors', '1', '-no-progress', '-pf', 'pseudo', 'image'], top)
      expectRoundTrip(scene, fs.readFileSync(path.join(top, 'pseudo')), ['--from', 'squashfs'])
    })

    it('as root for another', () => {
      const { plain, home } = makeScene()
      const archive = run(gnuTar, ['-cf', 'all.tar', '--warning=none', '-C', 'data', '.'], plain)
      expect(archive).toHaveLength(0)
      const args = [
        'humfs',
        'import',
        '--from',
        'tar',
        '--owner',
        '1000',
        '--group',
        'games',
        path.join(plain, 'all.tar'),
        'made',
      ]
      const done = umlcow([...args, '--json'], { cwd: home })
      expect(JSON.parse(done.stdout)).toMatchObject({ uid: 1000, 'dry-run': false })
      const all = snapshot(path.join(home, 'made'))
      for (const [name, facts] of Object.entries(all)) expect(facts.split(' ')[1], name).toBe('1000')
      expect(fs.statSync(path.join(home, 'made')).uid).toBe(1000)
      const refused = asOther([...args.slice(0, -2), '-', 'other'], home)
      expect(refused).toMatchObject({ status: 4 })
      expect(refused.stderr).toContain('only root may give the tree to 1000:')
    })
  },
)

describe.runIf(havePeers(gnuTar))('an import that is killed', () => {
  it('at any call, has made all or nothing, and the next run does not mind', async () => {
    const top = scratchDirectory()
    const plain = path.join(top, 'plain')
    fs.mkdirSync(plain)
    makeNastyTree(plain)
    for (let i = 0; i < moreCount; i++) fs.writeFileSync(path.join(plain, 'data', `more${i}`), `${i}`)
    run(gnuTar, ['-cf', path.join(top, 'all.tar'), '--format=posix', '--warning=none', '-C', 'data', '.'], plain)
    const args = ['humfs', 'import', '--from', 'tar', '--no-sync', '../all.tar', 'made']
    const place = (name: string) => {
      fs.mkdirSync(path.join(top, name))
      return path.join(top, name)
    }
    const undisturbed = place('undisturbed')
    const points = killPoints(await callsOf(args, undisturbed))
    const after = snapshot(path.join(undisturbed, 'made'))
    const renamed = points.findIndex(({ text }) => text.startsWith('rename '))
    expect(points[renamed]?.text).toMatch(/\/made$/)
    const chosen = chosenPoints(
      'import',
      points,
      killCount,
      ({ text }) => `${/^(mkdir|rename|exit)\b/.exec(text)?.[0]}`,
    )
    for (const [i, point] of chosen.entries()) {
      const directory = place(`run${i}`)
      await killUmlcow(point, args, directory)
      const label = `${i}: ${pointText(point)}`
      const isMade = point.call > points[renamed]!.call
      const names = fs.readdirSync(directory)
      // The empty directory where it was made goes last; a run that is killed before that leaves it for the next one.
      const allowed = isMade ? [['made'], ['.umlcow-new-made', 'made']] : [[], ['.umlcow-new-made']]
      expect(allowed, label).toContainEqual(names)
      if (isMade) {
        expect(snapshot(path.join(directory, 'made')), label).toEqual(after)
        fs.renameSync(path.join(directory, 'made'), path.join(directory, 'first'))
      }
      expect(umlcow(args, { cwd: directory }), label).toMatchObject({ status: 0 })
      expect(snapshot(path.join(directory, 'made')), label).toEqual(after)
      expect(fs.readdirSync(directory).filter((name) => name !== 'first')).toEqual(['made'])
      removeTree(directory)
    }
    tally('imports killed', chosen.length)
  })
})
