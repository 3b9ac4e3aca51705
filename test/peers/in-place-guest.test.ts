import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { namesIn, sha256, stateOf, waitUntil } from '../cli/scene.js'
import { diceFor, isDeep } from '../support/amount.js'
import { type Outcome, umlcow } from '../support/command.js'
import {
  bootGuest,
  expectRefused,
  type GuestReads,
  guestEnv,
  guestPeers,
  guestReads,
  guestReadsOfAll,
  openMounted,
  runGuest,
} from '../support/guest.js'
import { startCommand } from '../support/hooked-command.js'
import { bootOn } from '../support/kernel.js'
import { isSupplied, naiveFacts } from '../support/naive.js'
import { root } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const umlMoo = '/usr/bin/uml_moo'
const python = '/usr/bin/python3'
const backing = 'root_fs'

/** Run a tool that has to succeed. */
function run(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { cwd: home, env: guestEnv, encoding: 'utf8', stdio: 'pipe' })
}

// The book's cluster: cow.node0 and cow.node1 on one root_fs, all three in the place that the kernel wrote into the headers.
let home = ''
/** The same files, to put them back from. */
let kept = ''
let node0: GuestReads
let node1: GuestReads

function restore(...without: readonly string[]): void {
  for (const name of namesIn(home)) rmSync(path.join(home, name), { recursive: true })
  run('/bin/cp', ['-a', '--sparse=always', `${kept}/.`, home])
  for (const name of without) rmSync(path.join(home, name))
}

function file(name: string): string {
  return path.join(home, name)
}

function here(args: readonly string[]): Outcome {
  return umlcow(args, { cwd: home })
}

function done(args: readonly string[]): Outcome {
  const outcome = here(args)
  expect({ args, ...outcome }).toMatchObject({ status: 0, signal: null })
  return outcome
}

function headerMtime(name: string): number {
  return readFileSync(file(name)).readUInt32BE(8)
}

function mtimeOf(name: string): number {
  return Math.floor(statSync(file(name)).mtimeMs / 1000)
}

function allocatedSectors(name: string): number {
  const extents: { depth: number; length: number }[] = JSON.parse(done(['map', '--json', name]).stdout)
  return extents.filter((one) => one.depth === 0).reduce((sum, one) => sum + one.length / 512, 0)
}

/** The sectors that a sibling lacks of the 4 KiB groups that the overlay changes: two kernels do not write the same. */
function sectorsToCopy(overlayName: string, siblingName: string): number {
  const [overlay, sibling] = [readFileSync(file(overlayName)), readFileSync(file(siblingName))]
  const facts = naiveFacts('v3', statSync(file(backing)).size, 512, 4096)
  let count = 0
  for (let first = 0; first * 512 < facts.virtualSize; first += 8) {
    const group = Array.from({ length: 8 }, (_, index) => first + index)
    if (!group.some((sector) => isSupplied(overlay, facts, sector))) continue
    count += group.filter((sector) => !isSupplied(sibling, facts, sector)).length
  }
  return count
}

/** Refused with status 4, with the process named in the text and in the document, and not a byte or time changed. */
function expectInUse(args: readonly string[], pid: number, ...names: readonly string[]): void {
  const before = namesIn(home).map((name) => stateOf(file(name)))
  const outcome = here(args)
  expect({ args, status: outcome.status, stdout: outcome.stdout }).toEqual({ args, status: 4, stdout: '' })
  const json = here([...args, '--json'])
  expect(json.status).toBe(4)
  const { error } = JSON.parse(json.stdout)
  for (const name of names) {
    const says = new RegExp(`${name}: is (in use|open for writing) by .*process ${pid}\\b`)
    expect(outcome.stderr).toMatch(says)
    expect(error.details.findings).toContainEqual(expect.stringMatching(says))
  }
  expect(namesIn(home).map((name) => stateOf(file(name)))).toEqual(before)
}

describe.runIf(havePeers(...guestPeers, umlMoo, '/usr/sbin/mkfs.ext4'))(
  'merging in place under the real kernel',
  () => {
    let top = ''
    afterAll(() => rmSync(top, { recursive: true, force: true }))
    beforeAll(() => {
      top = realpathSync(mkdtempSync(path.join(tmpdir(), 'umlcow-guests-')))
      home = top
      run(python, [path.join(root, 'test/uml-lab/make-cow'), top, 'cluster'])
      home = path.join(top, 'cluster')
      kept = path.join(top, 'kept')
      // Both nodes have changed the same blocks so far; these are node0's alone.
      const write = 'dd if=/dev/urandom of=/mnt/data/file7 bs=4096 count=8 conv=notrunc 2> /dev/null'
      const { status } = runGuest(home, ['ubda=cow.node0'], `mount -t ext4 /dev/ubda /mnt && ${write} && umount /mnt`)
      expect(status).toBe(0)
      run('/bin/cp', ['-a', home, kept])
      ;[node0, node1] = guestReadsOfAll(home, 'ubdar=cow.node0', 'ubdbr=cow.node1') as [GuestReads, GuestReads]
      expect(node0.pages).not.toBe(node1.pages)
    }, 120_000)

    /** Both nodes boot on their overlays and read what they read before. */
    function expectBothRead(node0Now = node0): void {
      expect(guestReadsOfAll(home, 'ubda=cow.node0', 'ubdb=cow.node1')).toEqual([node0Now, node1])
    }

    describe('while a guest runs', () => {
      // Each boots a guest. Besides the first test, a quick run has the flag c and the sibling, apart or in one.
      const isApart = diceFor('while a guest runs').below(2) === 0
      const verbs = [
        ['merge', '-d', 'cow.node0'],
        ['merge', '-d', '--keep-siblings', 'cow.node0'],
        ['merge', 'cow.node0', backing],
        ['merge', '-d', '--delete', '--force=siblings,mtime,room', 'cow.node0'],
        ['commit', 'cow.node0'],
      ]

      it('with the overlay mounted: refused, and the guest goes on', async () => {
        restore('cow.node1')
        const guest = await bootGuest(home, ['ubda=cow.node0,root_fs'], openMounted)
        for (const args of verbs) expectInUse(args, guest.pid, 'cow.node0', backing)
        expectInUse(['reset', 'cow.node0'], guest.pid, 'cow.node0')
        const before = [stateOf(file('cow.node0')), stateOf(file(backing))]
        const moo = here(['moo', '-d', 'cow.node0'])
        expect(moo.status).toBe(1)
        expect(moo.stderr).toContain(`process ${guest.pid}`)
        expect([stateOf(file('cow.node0')), stateOf(file(backing))]).toEqual(before)
        await guest.halt()
        const look = 'mount -t ext4 -o ro /dev/ubda /mnt && cat /mnt/guest'
        expect(runGuest(home, ['ubda=cow.node0'], look)).toMatchObject({ status: 0, out: 'guest\n' })
        done(['merge', '-d', 'cow.node0'])
      })

      if (isDeep || isApart) {
        it('on a sibling, so that the backing file alone is in use', async () => {
          restore()
          const guest = await bootGuest(home, ['ubda=cow.node1,root_fs'], openMounted)
          for (const args of verbs) expectInUse(args, guest.pid, backing)
          expectInUse(['merge', '-d', '--keep-siblings', 'cow.node0'], guest.pid, backing, 'cow.node1')
          await guest.halt()
        })

        it('with the flag c, which takes no locks: seen by its open files', async () => {
          restore('cow.node1')
          const guest = await bootGuest(home, ['ubdac=cow.node0,root_fs'], openMounted)
          expect(readFileSync('/proc/locks', 'utf8')).not.toContain(` ${guest.pid} `)
          for (const args of verbs) expectInUse(args, guest.pid, 'cow.node0', backing)
          await guest.halt()
        })
      }

      if (isDeep || !isApart) {
        it('with the flag c on a sibling', async () => {
          restore()
          const guest = await bootGuest(home, ['ubdac=cow.node1,root_fs'], openMounted)
          for (const args of verbs) expectInUse(args, guest.pid, backing)
          await guest.halt()
        })
      }
    })

    describe('a cluster', () => {
      it('is refused without --keep-siblings', () => {
        restore()
        const before = namesIn(home).map((name) => stateOf(file(name)))
        for (const args of [
          ['merge', '-d', 'cow.node0'],
          ['commit', 'cow.node0'],
          ['moo', '-d', 'cow.node0'],
        ]) {
          const outcome = here(args)
          expect({ args, status: outcome.status }).toEqual({ args, status: args[0] === 'moo' ? 1 : 4 })
          expect(outcome.stderr).toContain('cow.node1')
        }
        expect(namesIn(home).map((name) => stateOf(file(name)))).toEqual(before)
      })

      it('merge --keep-siblings: both nodes boot without a touch, and read what they read before', () => {
        restore()
        const sectors = allocatedSectors('cow.node1')
        const lacking = sectorsToCopy('cow.node0', 'cow.node1')
        expect(lacking).toBeGreaterThanOrEqual(64)
        const outcome = JSON.parse(done(['merge', '-d', '--keep-siblings', '--json', 'cow.node0']).stdout)
        expect(outcome.siblings).toEqual([{ filename: file('cow.node1'), 'bytes-copied': lacking * 512 }])
        expect(allocatedSectors('cow.node1')).toBe(sectors + lacking)
        expect(namesIn(home)).toEqual(['cow.node0', 'cow.node1', backing])
        expect(sha256(file(backing))).toBe(node0.pages)
        for (const name of ['cow.node0', 'cow.node1']) expect(headerMtime(name)).toBe(mtimeOf(backing))

        expect(guestReadsOfAll(home, 'ubda=cow.node0', 'ubdb=cow.node1,root_fs')).toEqual([node0, node1])
        expect(node1.ahead).toBe(node1.pages)
        expect(node1.direct).toBe(node1.pages)
        expect(bootOn(file(backing))[0]).toMatchObject({
          guest_ok: true,
          sha256: node0.pages,
          fs_type: 'ext4',
        })
      })

      it('commit --keep-siblings: node0 is empty, boots, and a guest writes to it again', () => {
        restore()
        done(['commit', '--keep-siblings', 'cow.node0'])
        expect(allocatedSectors('cow.node0')).toBe(0)
        expect(statSync(file('cow.node0')).blocks * 512).toBeLessThan(64 * 1024)
        expectBothRead()

        const write = 'mount -t ext4 /dev/ubda /mnt && echo again > /mnt/again && umount /mnt'
        expect(runGuest(home, ['ubda=cow.node0'], write)).toMatchObject({ status: 0 })
        expect(sha256(file(backing))).toBe(node0.pages)
        const look = 'mount -t ext4 -o ro /dev/ubda /mnt && cat /mnt/again && umount /mnt && devsum ubda'
        const { status, out } = runGuest(home, ['ubdar=cow.node0'], look)
        const [again, pages = ''] = out.trimEnd().split('\n')
        expect({ status, again }).toEqual({ status: 0, again: 'again' })
        expect(pages).not.toBe(node0.pages)
        done(['commit', '--keep-siblings', 'cow.node0'])
        // Whole pages were written: all three ways of reading are right.
        expectBothRead({ pages, ahead: pages, direct: pages })
      })

      it('--backup: merging the undo overlay gives the old backing file back, and both nodes stay what they were', () => {
        restore()
        const old = sha256(file(backing))
        done(['merge', '-d', '--keep-siblings', '--backup', 'undo', 'cow.node0'])
        expect(sha256(file(backing))).toBe(node0.pages)
        expect(guestReads(home, 'ubdar=undo').pages).toBe(old)
        done(['merge', '-d', '--keep-siblings', 'undo'])
        expect(sha256(file(backing))).toBe(old)
        expectBothRead()
      })

      it('a stale sibling is refused by the kernel before and after; a new overlay opens', () => {
        restore()
        run('/bin/cp', ['-a', 'cow.node1', 'stale'])
        const bytes = readFileSync(file('stale'))
        bytes.writeUInt32BE(headerMtime('stale') - 100, 8)
        writeFileSync(file('stale'), bytes)
        expectRefused(home, 'stale')
        const before = stateOf(file('stale'))
        const { stderr } = done(['merge', '-d', '--keep-siblings', 'cow.node0'])
        expect(stderr).toContain('stale: did not fit the backing file before; left as it is')
        expect(stateOf(file('stale'))).toEqual(before)
        expectRefused(home, 'stale', 'stale,root_fs')
        expect(guestReads(home, 'ubda=fresh,root_fs').pages).toBe(node0.pages)
        expect(headerMtime('fresh')).toBe(mtimeOf(backing))
      })
    })

    it('single sectors: what a sibling gets comes in whole pages, so that large reads stay right', () => {
      const directory = mkdtempSync(path.join(home, '..', 'sectors-'))
      // Of a device that does not end with a page the guest writes single sectors, whether or not `dd` can write directly.
      const image = Buffer.alloc(2 ** 20 - 512)
      for (let sector = 0; sector < 2047; sector++) image.fill(`backing ${sector} `, sector * 512, (sector + 1) * 512)
      writeFileSync(path.join(directory, backing), image)
      const write = (seek: number, count: number, device = 'ubda') =>
        `dd if=/dev/urandom of=/dev/${device} bs=512 seek=${seek} count=${count} conv=notrunc,fsync 2> /dev/null || exit 1\n`
      const script = write(3, 1) + write(1003, 5) + write(1030, 2) + write(2046, 1) + write(1024, 8, 'ubdb')
      expect(runGuest(directory, ['ubda=cow,root_fs', 'ubdb=sibling,root_fs'], script).status).toBe(0)
      const both = ['ubda=cow', 'ubdb=sibling'] as const
      const [cow, sibling] = guestReadsOfAll(directory, ...both) as [GuestReads, GuestReads]
      // The kernel's bug is there: the overlay itself reads wrong, so a copy-up by single sectors would show below.
      expect(cow.direct).not.toBe(cow.pages)
      expect(sibling).toEqual({ pages: sibling.pages, ahead: sibling.pages, direct: sibling.pages })

      expect(umlcow(['merge', '-d', '--keep-siblings', 'cow'], { cwd: directory })).toMatchObject({ status: 0 })
      const [cowThen, siblingThen] = guestReadsOfAll(directory, ...both)
      expect(siblingThen).toEqual(sibling)
      expect(cowThen?.pages).toBe(cow.pages)
      expect(sha256(path.join(directory, backing))).toBe(cow.pages)
      rmSync(directory, { recursive: true })
    })

    it('moo -d: the bytes of both files are those that uml_moo -d leaves, and the kernel refuses the overlay', () => {
      restore('cow.node1')
      const cow = stateOf(file('cow.node0'))
      const old = mtimeOf(backing)
      done(['moo', '-d', 'cow.node0'])
      expect(stateOf(file('cow.node0'))).toEqual(cow)
      const ours = sha256(file(backing))
      expect(mtimeOf(backing)).toBeGreaterThan(old)
      expectRefused(home, 'cow.node0')

      restore('cow.node1')
      const { content } = stateOf(file('cow.node0'))
      run(umlMoo, ['-d', 'cow.node0'])
      expect(sha256(file('cow.node0'))).toBe(content)
      expect(content).toBe(cow['content'])
      expect(sha256(file(backing))).toBe(ours)
      expect(mtimeOf(backing)).toBeGreaterThan(old)
      expectRefused(home, 'cow.node0')
      expect(ours).toBe(node0.pages)
    })

    it('moo -d -b: as uml_moo', () => {
      restore('cow.node1')
      done(['moo', '-d', '-b', './root_fs', 'cow.node0'])
      const ours = sha256(file(backing))
      restore('cow.node1')
      run(umlMoo, ['-d', '-b', './root_fs', 'cow.node0'])
      expect(sha256(file(backing))).toBe(ours)
    })

    it('reset: the guest starts clean, and writes again', () => {
      restore()
      const clean = sha256(file(backing))
      done(['reset', 'cow.node0'])
      expect(allocatedSectors('cow.node0')).toBe(0)
      expect(guestReads(home, 'ubda=cow.node0')).toEqual({ pages: clean, ahead: clean, direct: clean })
      const write = 'mount -t ext4 /dev/ubda /mnt && echo again > /mnt/again && umount /mnt'
      expect(runGuest(home, ['ubda=cow.node0'], write)).toMatchObject({ status: 0 })
      const [written, sibling] = guestReadsOfAll(home, 'ubda=cow.node0', 'ubdb=cow.node1')
      expect(written?.pages).not.toBe(clean)
      expect(sha256(file(backing))).toBe(clean)
      expect(sibling).toEqual(node1)
    })

    it('reset of an overlay that the kernel refuses: it boots again, clean', () => {
      restore()
      utimesSync(file(backing), 1_700_000_000, 1_700_000_000)
      expectRefused(home, 'cow.node0')
      done(['reset', 'cow.node0'])
      expect(guestReads(home, 'ubda=cow.node0').pages).toBe(sha256(file(backing)))
      expectRefused(home, 'cow.node1')
    })

    describe('kill -9 while sectors are written', () => {
      it.each([
        ['merge', '-d', '--keep-siblings'],
        ['commit', '--keep-siblings'],
      ])('%s %s: the kernel refuses every overlay until the merge is resumed', async (...words) => {
        const directory = mkdtempSync(path.join(home, '..', 'killed-'))
        const inDirectory = (name: string) => path.join(directory, name)
        const size = 4 * 2 ** 20
        writeFileSync(inDirectory(backing), Buffer.alloc(size, 'the old content of the backing file '))
        const fill = 'dd if=/dev/urandom of=/dev/ubda bs=1M seek=1 count=2 conv=notrunc,fsync 2> /dev/null'
        const little = 'dd if=/dev/urandom of=/dev/ubdb bs=4096 seek=500 count=100 conv=notrunc,fsync 2> /dev/null'
        const fresh = ['ubda=cow,root_fs', 'ubdb=sibling,root_fs']
        expect(runGuest(directory, fresh, `${fill} && ${little}`).status).toBe(0)
        const both = ['ubda=cow', 'ubdb=sibling'] as const
        const before = guestReadsOfAll(directory, ...both)
        const old = sha256(inDirectory(backing))

        await killWhileWriting([...words, 'cow'], directory)
        const half = sha256(inDirectory(backing))
        expect([old, before[0]?.pages]).not.toContain(half)

        const status = JSON.parse(umlcow(['merge', '--status', '--json', 'cow'], { cwd: directory }).stdout)
        expect(status['unfinished-merge']).toMatchObject({ phase: 'writing', overlay: inDirectory('cow') })
        expectRefused(directory, 'cow', 'cow,root_fs', 'sibling', 'sibling,root_fs')
        for (const args of [
          ['merge', '-d', 'cow'],
          ['merge', '-d', '--keep-siblings', 'sibling'],
          ['commit', '--keep-siblings', 'sibling'],
        ]) {
          const outcome = umlcow(args, { cwd: directory })
          expect({ args, status: outcome.status }).toEqual({ args, status: 4 })
          expect(outcome.stderr).toContain('merge --resume')
        }
        expect(sha256(inDirectory(backing))).toBe(half)

        const resumed = umlcow(['merge', '--resume', 'cow'], { cwd: directory })
        expect(resumed).toMatchObject({ status: 0, signal: null })
        expect(namesIn(directory)).toEqual(['cow', backing, 'sibling'])
        expect(sha256(inDirectory(backing))).toBe(before[0]?.pages)
        expect(guestReadsOfAll(directory, ...both)).toEqual(before)
        rmSync(directory, { recursive: true })
      })
    })
  },
)

/** Start a merge in place, stop it before its third write to the backing file, let `--status` tell of it, and kill it. */
async function killWhileWriting(args: readonly string[], directory: string): Promise<void> {
  const freeze = { call: 'write', file: path.join(directory, backing), number: 3 }
  const { child, ended } = startCommand(args, directory, { counts: 'changes', freeze })
  const isStopped = () => readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ').at(-1)?.startsWith('T') === true
  await waitUntil(isStopped, 'the merge to stop')
  const status = JSON.parse(umlcow(['merge', '--status', '--json', 'cow'], { cwd: directory }).stdout)
  expect(status['unfinished-merge']).toMatchObject({ phase: 'writing', pid: child.pid })
  child.kill('SIGKILL')
  expect(await ended).toMatchObject({ signal: 'SIGKILL' })
}
