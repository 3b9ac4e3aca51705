import {
  chmodSync,
  chownSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { generatePair, pairLayouts, writePair } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'
import { expectMerged, expectPairMerged, headerMtime, keepsDirectory, mtimeOf, shownBy } from './in-place-scene.js'
import {
  allocatedBytes,
  dataOffsetOf,
  expectPlainFailure,
  keepsUntouched,
  makeScene,
  namesIn,
  pairMtime,
  sectorText,
  setMtime,
  sha256,
  stateOf,
  writeHole,
  writeOverlay,
} from './scene.js'

describe('merge -d', () => {
  it.each(listPairs().map((pair) => pair.kind))('of %s gives the disk that the guest saw', (kind) => {
    const directory = temporaryDirectory()
    const pair = unpackPair(kind, directory)
    pair.paths.overlays.forEach((cow, i) => {
      // The overlays of a cluster are siblings: each gets a directory.
      const alone = path.join(directory, `alone${i}`)
      mkdirSync(alone)
      const files = { cow: path.join(alone, 'cow'), backing: path.join(alone, 'root_fs') }
      copyFileSync(cow, files.cow)
      copyFileSync(pair.paths.backing, files.backing)
      setMtime(files.backing, pair.backing.mtime)
      expect(umlcow(['rebase', '-u', '-b', 'root_fs', 'cow'], { cwd: alone }).status).toBe(0)
      const outcome = umlcow(['merge', '-d', '--no-sync', 'cow'], { cwd: alone })
      expect(outcome.status, outcome.stderr).toBe(0)
      expect(sha256(files.backing)).toBe(pair.overlays[i]?.guestSha256 ?? pair.overlays[i]?.mergedSha256)
      expect(umlcow(['check', 'cow'], { cwd: alone }).status).toBe(0)
      expect(namesIn(alone)).toEqual(['cow', 'root_fs'])
    })
  })

  it.each(pairLayouts)('of random pairs, %s', (layout) => {
    for (let seed = 0; seed < 4; seed++) {
      const pair = generatePair(seed, { layout })
      const { overlayPath, backingPath } = writePair(pair, temporaryDirectory())
      const outcome = umlcow(['merge', '-d', '--verify', overlayPath])
      expect(outcome.status, `${pair.name}: ${outcome.stderr}`).toBe(0)
      expect(readFileSync(backingPath).equals(pair.merged), pair.name).toBe(true)
      expect(mtimeOf(backingPath), pair.name).toBe(headerMtime(overlayPath, layout))
    }
  })

  it('gives the backing file and the header a second that has passed, and keeps everything else of both', () => {
    const scene = makeScene()
    chmodSync(scene.backing, 0o640)
    if (process.geteuid?.() === 0) chownSync(scene.backing, 12_345, 54_321)
    const before = { backing: statSync(scene.backing), cow: readFileSync(scene.cow) }
    const outcome = expectMerged(['merge', '-d', scene.cow])
    expect(outcome.stdout).toMatch(/^.*root_fs: took 6 KiB from .*cow\nnew modification time: \d+ \(.*Z\)\n$/)
    expectPairMerged(scene)
    const { mode, uid, gid, ino, size } = statSync(scene.backing)
    expect({ mode, uid, gid, ino, size }).toMatchObject({ mode: before.backing.mode, ino: before.backing.ino, size })
    expect([uid, gid]).toEqual([before.backing.uid, before.backing.gid])
    expect(mtimeOf(scene.backing)).toBeLessThan(Date.now() / 1000)
    const after = readFileSync(scene.cow)
    after.writeUInt32BE(pairMtime, 8)
    expect(after.equals(before.cow)).toBe(true)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('a second time changes nothing, the modification time included', () => {
    const scene = makeScene()
    expectMerged(['merge', '-d', scene.cow])
    keepsUntouched(scene.backing, scene.cow)
    expect(expectMerged(['merge', '-d', scene.cow]).stdout).toMatch(
      /root_fs: held all of .*cow \(6 KiB\) already, unchanged\n$/,
    )
    expectMerged(['merge', '-d', '--leave', scene.cow])
    expect(umlcow(['merge', '-d', '--backup', 'undo', scene.cow], { cwd: scene.directory })).toMatchObject({
      status: 0,
      stderr: 'umlcow: warning: no byte changed, so no undo overlay was made\n',
    })
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('does not fill the holes of the backing file', () => {
    const scene = makeScene()
    const virtualSize = 64 * 2 ** 20
    const sectors = new Map<number, Buffer | null>([[100_000, sectorText('overlay', 1)]])
    for (let sector = 0; sector < 4096; sector++) sectors.set(sector, sector % 2 === 0 ? Buffer.alloc(512) : null)
    writeHole(scene.backing, virtualSize)
    writeOverlay(scene.cow, { virtualSize, backing: scene.backing, sectors })
    expect(allocatedBytes(scene.backing)).toBe(0)
    expectMerged(['merge', '-d', scene.cow])
    expect(readFileSync(scene.backing).subarray(51_200_000, 51_200_512).equals(sectorText('overlay', 1))).toBe(true)
    expect(allocatedBytes(scene.backing)).toBeLessThanOrEqual(8192)
  })

  it('follows links to the overlay and to the backing file, and leaves them', () => {
    const scene = makeScene({ header: 'link' })
    const inside = (name: string) => path.join(scene.directory, name)
    symlinkSync('root_fs', inside('link'))
    linkSync(scene.backing, inside('hard'))
    mkdirSync(inside('elsewhere'))
    symlinkSync('../cow', inside('elsewhere/cow'))
    const outcome = umlcow(['merge', '-d', 'elsewhere/cow', '-b', 'hard'], { cwd: scene.directory })
    const warning = 'umlcow: warning: hard: has 2 names; umlcow looked for an unfinished merge by another name in'
    expect(outcome).toMatchObject({ status: 0, stderr: `${warning} . and elsewhere only\n` })
    expectPairMerged(scene)
    expect(namesIn(scene.directory)).toEqual(['cow', 'elsewhere', 'hard', 'link', 'root_fs'])
    expect(statSync(inside('hard')).ino).toBe(statSync(scene.backing).ino)
  })

  it.each(['with spaces', 'new\nline', '$(touch x)', "it's", '-d', 'é', 'a.umlcow-journal'])(
    'copes with the name %j',
    (name) => {
      const scene = makeScene()
      const directory = path.join(scene.directory, name)
      mkdirSync(directory)
      const inner = makeScene({ directory, header: 'root_fs' })
      const cow = path.join(directory, name)
      copyFileSync(inner.cow, cow)
      const moved = umlcow(['merge', '-d', '--keep-siblings', '--backup', `./undo ${name}`, '--', name], {
        cwd: directory,
      })
      expect(moved.status, moved.stderr).toBe(0)
      expectPairMerged(inner)
      expectPairMerged({ ...inner, cow })
      expect(namesIn(directory)).toEqual(['cow', 'root_fs', name, `undo ${name}`].sort())
    },
  )

  it('takes a relative path in the header from the directory of the overlay', () => {
    const scene = makeScene({ header: './root_fs' })
    const cwd = temporaryDirectory()
    expectMerged(['merge', '-d', path.relative(cwd, scene.cow)], cwd)
    expectPairMerged(scene)
  })

  it('keeps going with a sector size that the kernel misreads, and says so', () => {
    const directory = temporaryDirectory()
    const pair = generatePair(3, { layout: 'v3', sectorSize: 1024, virtualSize: 200_000, pattern: 'random' })
    const { overlayPath, backingPath } = writePair(pair, directory)
    const outcome = umlcow(['merge', '-d', overlayPath])
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toMatch(/^umlcow: warning: .*cow: its sector size is 1024; the kernel takes it for 512/)
    expect(readFileSync(backingPath).equals(pair.merged)).toBe(true)
  })
})

describe('what happens to the overlay', () => {
  it('--leave: byte for byte, and the kernel refuses it', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow)
    expectMerged(['merge', '-d', '--leave', scene.cow])
    expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
    expect(headerMtime(scene.cow)).toBe(pairMtime)
    expect(mtimeOf(scene.backing)).toBeGreaterThan(pairMtime)
  })

  it.each([
    ['merge -d --reset', ['merge', '-d', '--reset']],
    ['commit', ['commit']],
  ])('%s: emptied, its room given back', (_what, verb) => {
    const scene = makeScene()
    const { length } = readFileSync(scene.cow)
    const outcome = expectMerged([...verb, scene.cow])
    expect(outcome.stdout).toContain(', which is empty now\n')
    expectPairMerged(scene)
    const bytes = readFileSync(scene.cow)
    expect(bytes.length).toBe(length)
    expect(bytes.subarray(8192).every((byte) => byte === 0)).toBe(true)
    expect(allocatedBytes(scene.cow)).toBeLessThanOrEqual(dataOffsetOf(scene.virtualSize) + 8192)
    expect(JSON.parse(umlcow(['info', '--json', scene.cow]).stdout)['format-specific'].data).toMatchObject({
      'sectors-present': 0,
      'backing-state': 'ok',
    })
    // Also when nothing is left to merge.
    expectMerged([...verb, scene.cow])
    expectPairMerged(scene)
  })

  it('commit after a merge that kept the overlay empties it, and leaves the backing file', () => {
    const scene = makeScene()
    expectMerged(['merge', '-d', scene.cow])
    const before = stateOf(scene.backing)
    expectMerged(['commit', scene.cow])
    expect(stateOf(scene.backing)).toEqual(before)
    expect(umlcow(['info', scene.cow]).stdout).toContain('allocated: 0 of 601 sectors')
  })

  it.each([true, false])('--delete: removed, when the merge %s', (changes) => {
    const scene = makeScene()
    if (!changes) expectMerged(['merge', '-d', scene.cow])
    const outcome = expectMerged(['merge', '-d', '--delete', scene.cow])
    expect(outcome.stdout).toMatch(/cow.* was removed\n/)
    expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
    expect(namesIn(scene.directory)).toEqual(['root_fs'])
  })
})

describe('--dry-run, --verify, --backup', () => {
  it.each([[[]], [['--reset']], [['--delete']], [['--backup', 'undo', '--verify']]])(
    '--dry-run %j changes nothing',
    (args) => {
      const scene = makeScene()
      keepsDirectory(scene.directory)
      const outcome = umlcow(['merge', '-d', '--dry-run', ...args, 'cow'], { cwd: scene.directory })
      expect(outcome).toMatchObject({ status: 0, stderr: '' })
      expect(outcome.stdout).toMatch(/root_fs: would take 6 KiB from .*cow/)
    },
  )

  it('--verify tells where it read from', () => {
    const scene = makeScene()
    expect(expectMerged(['merge', '-d', '--verify', scene.cow]).stdout).toMatch(/^read back(:| from the disk:) equal/m)
    expectPairMerged(scene)
  })

  it('--backup is merged back byte for byte', () => {
    for (const seed of [1, 2, 3]) {
      const directory = temporaryDirectory()
      const pair = generatePair(seed, { layout: 'v3', sectorSize: 512, pattern: 'runs', strayBits: false })
      const { overlayPath, backingPath } = writePair(pair, directory)
      const undo = path.join(directory, 'undo')
      const outcome = umlcow(['merge', '-d', '--backup', undo, overlayPath])
      expect(outcome.status, outcome.stderr).toBe(0)
      expect(readFileSync(backingPath).equals(pair.merged)).toBe(true)
      expect(shownBy(undo, backingPath).equals(pair.backingBytes)).toBe(true)
      expect(umlcow(['check', undo]).status).toBe(0)
      const back = umlcow(['merge', '-d', '--delete', '--force=siblings', undo])
      expect(back.status, back.stderr).toBe(0)
      expect(readFileSync(backingPath).equals(pair.backingBytes)).toBe(true)
      expect(namesIn(directory)).toEqual(['cow', 'root_fs'])
    }
  })

  it('--backup does not overwrite anything, and is no sibling that stands in the way', () => {
    const scene = makeScene()
    keepsUntouched(scene.backing)
    writeFileSync(path.join(scene.directory, 'taken'), 'x')
    for (const name of ['cow', 'root_fs', 'taken']) {
      const outcome = umlcow(['merge', '-d', '--backup', path.join(scene.directory, name), scene.cow])
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr, 'merge -d has no such option').not.toContain('--overwrite')
    }
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs', 'taken'])
  })
})
