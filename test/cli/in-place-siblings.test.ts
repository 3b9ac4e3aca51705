import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandPath, umlcow } from '../support/command.js'
import type { PairLayout } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'
import {
  expectMerged,
  expectPairMerged,
  headerMtime,
  keepsDirectory,
  mtimeOf,
  refusalCodes,
  sceneWithSiblings,
  shownBy,
  writeSibling,
} from './in-place-scene.js'
import {
  dataOffsetOf,
  expectPlainFailure,
  keepsUntouched,
  makeScene,
  pairMtime,
  sectorText,
  setMtime,
  writeOverlay,
} from './scene.js'

describe('siblings without --keep-siblings', () => {
  it('are named and refused, and nothing changes', () => {
    const scene = sceneWithSiblings(['v3', 'v2', 'v1'])
    keepsDirectory(scene.directory)
    for (const verb of [['merge', '-d'], ['commit'], ['merge', '-d', '--delete']]) {
      const outcome = umlcow([...verb, scene.cow])
      expectPlainFailure(outcome, 4)
      for (const sibling of scene.siblings) expect(outcome.stderr).toContain(sibling)
      expect(outcome.stderr).toContain('umlcow: add --keep-siblings: they then keep what they show now\n')
    }
    expect(refusalCodes(['merge', '-d', 'cow', 'root_fs'], scene.directory)).toEqual(['SIBLINGS'])
  })

  it('are left with --force=siblings: the kernel refuses them then', () => {
    const scene = sceneWithSiblings(['v3', 'v1'])
    keepsUntouched(...scene.siblings)
    const outcome = umlcow(['merge', '-d', '--force=siblings', scene.cow])
    expect(outcome.status).toBe(0)
    for (const sibling of scene.siblings) {
      expect(outcome.stderr).toContain(`${sibling}: does not fit the backing file any more; the kernel refuses it`)
    }
    expectPairMerged(scene)
    expect(headerMtime(scene.siblings[0]!)).not.toBe(mtimeOf(scene.backing))
  })

  it('are found under any name, beside the overlay and beside the backing file, by any path that leads there', () => {
    const scene = makeScene()
    const inside = (name: string) => path.join(scene.directory, name)
    mkdirSync(inside('machine'))
    renameSync(scene.cow, inside('machine/cow'))
    symlinkSync(scene.backing, inside('machine/link'))
    linkSync(scene.backing, inside('hard'))
    const places: [string, string][] = [
      ['beside.txt', './root_fs'],
      ['machine/.hidden', '../root_fs'],
      ['machine/by-link', 'link'],
      ['by-hard-link', inside('hard')],
      // It leads nowhere here: size and time tell.
      ['machine/by-chroot', '/srv/jail/root_fs'],
    ]
    for (const [name, header] of places) writeSibling(inside(name), scene.backing, { layout: 'v3', headerPath: header })
    keepsDirectory(scene.directory)
    const { stderr } = umlcow(['merge', '-d', inside('machine/cow')])
    for (const [name] of places) expect(stderr).toContain(inside(name))
  })

  it('are no files that only look like it', () => {
    const scene = makeScene()
    const other = makeScene()
    const { virtualSize, backing } = other
    writeOverlay(path.join(scene.directory, 'on-another'), { virtualSize, backing, mtime: pairMtime + 1 })
    copyFileSync(scene.backing, path.join(scene.directory, 'raw'))
    linkSync(scene.cow, path.join(scene.directory, 'the-same'))
    symlinkSync('nowhere', path.join(scene.directory, 'dangling'))
    symlinkSync(scene.directory, path.join(scene.directory, 'circle'))
    expectMerged(['merge', '-d', '--siblings-in', scene.directory, scene.cow])
    expectPairMerged(scene)
  })

  it('are looked for below the directories of --siblings-in', () => {
    const scene = makeScene()
    const elsewhere = temporaryDirectory()
    const sibling = path.join(elsewhere, 'a/b/machine.cow')
    mkdirSync(path.dirname(sibling), { recursive: true })
    writeSibling(sibling, scene.backing, { layout: 'v3' })
    expect(refusalCodes(['commit', '--siblings-in', elsewhere, scene.cow])).toEqual(['SIBLINGS'])
    const before = shownBy(sibling, scene.backing)
    const options = ['--siblings-in', temporaryDirectory(), '--siblings-in', elsewhere, '--keep-siblings']
    expectMerged(['commit', ...options, scene.cow])
    expectPairMerged(scene)
    expect(shownBy(sibling, scene.backing).equals(before)).toBe(true)
    expect(headerMtime(sibling)).toBe(mtimeOf(scene.backing))
  })

  it('cannot be told where the header fits and the path leads to another file; --backing-root tells', () => {
    // A jail with a copy of the image of the host, and two machines that know it by its path in the jail.
    const scene = makeScene()
    const jail = path.join(scene.directory, 'jail')
    mkdirSync(path.join(jail, scene.directory), { recursive: true })
    const backing = path.join(jail, scene.backing)
    copyFileSync(scene.backing, backing)
    utimesSync(backing, pairMtime, pairMtime)
    const overlays = ['one', 'two'].map((name) => path.join(jail, name))
    for (const file of overlays) writeSibling(file, scene.backing, { layout: 'v3' })
    const [one, two] = overlays as [string, string]
    const before = shownBy(two, backing)
    keepsUntouched(scene.backing)
    expect(refusalCodes(['merge', '-d', '-b', backing, one])).toEqual(['SIBLING_UNKNOWN'])
    expect(refusalCodes(['merge', '-d', '--keep-siblings', '-b', backing, one])).toEqual(['SIBLING_UNKNOWN'])
    expect(umlcow(['merge', '-d', '-b', backing, one]).stderr).toContain(
      'for overlays of a chroot jail name it with --backing-root',
    )
    expect(refusalCodes(['merge', '-d', '--backing-root', jail, one])).toEqual(['SIBLINGS'])
    expectMerged(['merge', '-d', '--backing-root', jail, '--keep-siblings', one])
    expect(shownBy(two, backing).equals(before)).toBe(true)
    expect(headerMtime(two)).toBe(mtimeOf(backing))
  })

  it('are kept, more of them than there are file descriptors', () => {
    const scene = sceneWithSiblings(Array.from({ length: 70 }, () => 'v3' as const))
    const script = 'ulimit -n 64; exec "$0" "$1" merge -d --keep-siblings --no-sync -q "$2"'
    const outcome = spawnSync('sh', ['-c', script, process.execPath, commandPath, scene.cow], { encoding: 'utf8' })
    expect(outcome).toMatchObject({ status: 0 })
    expectPairMerged(scene)
    for (const sibling of scene.siblings) expect(headerMtime(sibling)).toBe(mtimeOf(scene.backing))
  })

  it('--siblings-in that is no directory fails, and nothing changes', () => {
    const scene = makeScene()
    keepsDirectory(scene.directory)
    for (const name of ['missing', 'root_fs']) {
      expectPlainFailure(umlcow(['merge', '-d', '--siblings-in', path.join(scene.directory, name), scene.cow]), 1)
    }
  })
})

describe('--keep-siblings', () => {
  const layouts: PairLayout[] = ['v3', 'v2', 'v1', 'v1big', 'v1hybrid', 'v2little', 'v3little', 'v3padded']

  it('keeps siblings of every version', () => {
    // 600 sectors: each has a bit in every version.
    const scene = makeScene()
    truncateSync(scene.backing, 600 * 512)
    setMtime(scene.backing)
    const sectors = new Map([...scene.sectors].filter(([sector]) => sector < 600))
    writeOverlay(scene.cow, { virtualSize: 600 * 512, backing: scene.backing, sectors })
    const siblings = layouts.map((layout) => ({ layout, file: path.join(scene.directory, layout) }))
    for (const { layout, file } of siblings) writeSibling(file, scene.backing, { layout })
    const before = siblings.map(({ layout, file }) => shownBy(file, scene.backing, layout))
    const merged = scene.merged.subarray(0, 600 * 512)
    const outcome = expectMerged(['merge', '-d', '--keep-siblings', '--verify', scene.cow])
    expectPairMerged({ ...scene, merged })
    siblings.forEach(({ layout, file }, i) => {
      expect(outcome.stdout).toContain(`${file}: kept; it took `)
      expect(shownBy(file, scene.backing, layout).equals(before[i]!), layout).toBe(true)
      expect(headerMtime(file, layout)).toBe(mtimeOf(scene.backing))
      expect(umlcow(['check', file]).status, layout).not.toBe(2)
    })
    // And again the other way round: a sibling is merged, the first overlay is kept.
    expectMerged(['merge', '-d', '--keep-siblings', siblings[1]!.file])
    expect(shownBy(scene.cow, scene.backing).equals(merged)).toBe(true)
    siblings.forEach(({ layout, file }, i) => {
      expect(shownBy(file, scene.backing, layout).equals(before[i]!), layout).toBe(true)
    })
  })

  it('copies the old content in whole aligned blocks of 4 KiB, and no more', () => {
    const scene = makeScene()
    const sibling = path.join(scene.directory, 'sibling')
    writeOverlay(sibling, { virtualSize: scene.virtualSize, backing: scene.backing })
    writeOverlay(scene.cow, {
      virtualSize: scene.virtualSize,
      backing: scene.backing,
      sectors: new Map([[19, sectorText('overlay', 19)]]),
    })
    const outcome = expectMerged(['merge', '-d', '--keep-siblings', scene.cow])
    expect(outcome.stdout).toContain(`${sibling}: kept; it took 4 KiB of the old content\n`)
    const bytes = readFileSync(sibling)
    // Sectors 16 to 23 are the third byte of bits.
    expect([...bytes.subarray(8192, 8192 + 76)].flatMap((byte, i) => (byte === 0 ? [] : [[i, byte]]))).toEqual([
      [2, 255],
    ])
    const start = dataOffsetOf(scene.virtualSize) + 16 * 512
    expect(bytes.subarray(start, start + 4096).equals(scene.backingBytes.subarray(16 * 512, 24 * 512))).toBe(true)
  })

  it('leaves one that did not fit before byte for byte, and says so', () => {
    const scene = sceneWithSiblings()
    const stale = path.join(scene.directory, 'stale')
    writeOverlay(stale, { virtualSize: scene.virtualSize, backing: scene.backing, mtime: 5 })
    keepsUntouched(stale)
    const outcome = umlcow(['merge', '-d', '--keep-siblings', scene.cow])
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toBe(`umlcow: warning: ${stale}: did not fit the backing file before; left as it is\n`)
    expectPairMerged(scene)
    // Nor does one stand in the way.
    const second = makeScene()
    writeOverlay(path.join(second.directory, 'stale'), { virtualSize: 512, backing: second.backing })
    expect(umlcow(['merge', '-d', second.cow]).status).toBe(0)
  })

  it('is refused for a sibling of an old version that has no bit for what changes', () => {
    const scene = makeScene() // 601 sectors: the last has no bit in versions 1 and 2, and the overlay has it.
    writeSibling(path.join(scene.directory, 'old'), scene.backing, { layout: 'v2' })
    keepsDirectory(scene.directory)
    expect(refusalCodes(['merge', '-d', '--keep-siblings', scene.cow])).toEqual(['SIBLING_UNFIT'])
  })

  it('is granted when the merge does not touch these sectors', () => {
    const scene = makeScene()
    const old = path.join(scene.directory, 'old')
    writeSibling(old, scene.backing, { layout: 'v1' })
    const sectors = new Map([[599, sectorText('overlay', 599)]])
    writeOverlay(scene.cow, { virtualSize: scene.virtualSize, backing: scene.backing, sectors })
    const before = shownBy(old, scene.backing, 'v1')
    expectMerged(['merge', '-d', '--keep-siblings', scene.cow])
    expect(shownBy(old, scene.backing, 'v1').equals(before)).toBe(true)
  })

  it('is refused for other sector sizes than 512, of a sibling or of the overlay', () => {
    const scene = makeScene()
    const other = path.join(scene.directory, 'other')
    writeSibling(other, scene.backing, { layout: 'v3', sectorSize: 1024 })
    keepsDirectory(scene.directory)
    expect(refusalCodes(['merge', '-d', '--keep-siblings', scene.cow])).toEqual(['SIBLING_UNFIT'])
    expect(refusalCodes(['merge', '-d', '--keep-siblings', other])).toEqual(['SIBLING_UNFIT'])
    expect(refusalCodes(['merge', '-d', other])).toEqual(['SIBLINGS'])
    expect(refusalCodes(['merge', '-d', '--force=siblings', '--backup', 'undo', other])).toEqual(['SIBLING_UNFIT'])
  })

  it('is refused with everything that is wrong at once', () => {
    const scene = sceneWithSiblings(['v3', 'v2'])
    writeFileSync(path.join(scene.directory, 'damaged'), readFileSync(scene.cow).subarray(0, 2000))
    utimesSync(scene.backing, 5, 5)
    keepsDirectory(scene.directory)
    const codes = refusalCodes(['merge', '-d', '--keep-siblings', scene.cow])
    expect(codes.sort()).toEqual(['BACKING_MTIME', 'SIBLING_UNKNOWN'])
  })
})
