import { spawnSync } from 'node:child_process'
import { copyFileSync, linkSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { expectMerged, expectPairMerged, headerMtime, keepsDirectory, mtimeOf, refusalCodes } from './in-place-scene.js'
import {
  expectPlainFailure,
  keepsUntouched,
  makeScene,
  namesIn,
  pairMtime,
  sectorText,
  setMtime,
  stateOf,
  writeHole,
  writeOverlay,
} from './scene.js'

const verbs = [['merge', '-d'], ['commit'], ['merge', '-d', '--delete'], ['merge', '-d', '--dry-run']]

describe('a backing file that does not fit is refused, and nothing changes', () => {
  it('another modification time, unless --force=mtime', () => {
    const scene = makeScene()
    setMtime(scene.backing, pairMtime + 1)
    keepsDirectory(scene.directory)
    for (const verb of verbs) {
      expect(refusalCodes([...verb, scene.cow])).toEqual(['BACKING_MTIME'])
      expect(refusalCodes([...verb, '--force=siblings,in-use,room', scene.cow])).toEqual(['BACKING_MTIME'])
    }
    const forced = makeScene()
    setMtime(forced.backing, pairMtime + 1)
    expectMerged(['merge', '-d', '--force=mtime', forced.cow])
    expectPairMerged(forced)
  })

  it.each([300 * 512, 700 * 512, 0])('another size, %i bytes, also with --force=size', (size) => {
    const scene = makeScene()
    truncateSync(scene.backing, size)
    setMtime(scene.backing)
    keepsDirectory(scene.directory)
    for (const force of [[], ['--force=mtime,siblings,in-use,room']]) {
      expect(refusalCodes(['merge', '-d', ...force, scene.cow])).toEqual(['BACKING_SIZE'])
    }
    expectPlainFailure(umlcow(['merge', '-d', '--force=size', scene.cow]), 64)
  })

  it('one that is itself an overlay, and an overlay that is its own backing file', () => {
    const scene = makeScene()
    setMtime(scene.cow)
    const top = path.join(scene.directory, 'top')
    writeOverlay(top, { virtualSize: readFileSync(scene.cow).length, backing: scene.cow })
    keepsDirectory(scene.directory)
    expect(refusalCodes(['merge', '-d', top])).toEqual(['BACKING_IS_COW'])
    expectPlainFailure(umlcow(['merge', '-d', '--chain', top, scene.cow]), 64)
    expect(refusalCodes(['merge', '-d', '-b', scene.cow, scene.cow])).toContain('BACKING_SELF')
  })

  it('a relative path that leads to two files', () => {
    const scene = makeScene({ header: 'root_fs' })
    const other = makeScene()
    keepsUntouched(scene.cow, scene.backing, other.backing)
    expect(refusalCodes(['commit', scene.cow], other.directory)).toEqual(['BACKING_AMBIGUOUS'])
  })

  it('with a status of its own: a missing one, and what is no COW file', () => {
    const scene = makeScene({ header: '/nowhere/root_fs' })
    keepsDirectory(scene.directory)
    for (const verb of verbs) {
      expectPlainFailure(umlcow([...verb, scene.cow]), 1)
      expectPlainFailure(umlcow([...verb, scene.backing]), 63)
      expectPlainFailure(umlcow([...verb, path.join(scene.directory, 'missing')]), 1)
    }
  })

  it('an overlay that ends before its sectors, unless --allow-short', () => {
    const scene = makeScene()
    truncateSync(scene.cow, 20_000)
    keepsUntouched(scene.backing)
    const outcome = umlcow(['merge', '-d', scene.cow])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('use --allow-short to read zeros there')
    expect(umlcow(['merge', '-d', '--dry-run', '--allow-short', scene.cow]).status).toBe(0)
  })
})

describe('another backing file, given with -b', () => {
  it('is merged into; the header stays, and that is said', () => {
    const scene = makeScene()
    const copy = path.join(scene.directory, 'copy')
    copyFileSync(scene.backing, copy)
    setMtime(copy)
    keepsUntouched(scene.cow, scene.backing)
    const outcome = umlcow(['merge', '-d', '-b', 'copy', 'cow'], { cwd: scene.directory })
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toMatch(
      /^umlcow: warning: .*cow: its header leads to another file, so it was left as it is\n$/,
    )
    expect(readFileSync(copy).equals(scene.merged)).toBe(true)
    expect(headerMtime(scene.cow)).toBe(pairMtime)
    expect(mtimeOf(copy)).toBeGreaterThan(pairMtime)
  })

  it('does not go with emptying the overlay', () => {
    const scene = makeScene()
    copyFileSync(scene.backing, path.join(scene.directory, 'copy'))
    setMtime(path.join(scene.directory, 'copy'))
    keepsDirectory(scene.directory)
    expect(refusalCodes(['commit', '-b', 'copy', 'cow'], scene.directory)).toEqual(['BACKING_OTHER'])
    expect(refusalCodes(['merge', '-d', '--reset', '-b', 'copy', 'cow'], scene.directory)).toEqual(['BACKING_OTHER'])
  })
})

describe('what cannot be told or done', () => {
  it('a damaged COW file beside it may be a sibling', () => {
    const scene = makeScene()
    const damaged = path.join(scene.directory, 'damaged')
    writeFileSync(damaged, readFileSync(scene.cow).subarray(0, 100))
    keepsUntouched(damaged)
    const outcome = umlcow(['merge', '-d', '--keep-siblings', scene.cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`${damaged}: cannot tell whether it is another overlay on ${scene.backing}`)
    expect(refusalCodes(['commit', scene.cow])).toEqual(['SIBLING_UNKNOWN'])
    expect(umlcow(['merge', '-d', '--force=siblings', scene.cow]).status).toBe(0)
    expectPairMerged(scene)
  })

  it.each(['cow.umlcow-journal', 'root_fs.umlcow-merging'])('a file %s that is none of ours', (name) => {
    for (const content of ['my notes', '', '{"kind":"umlcow in-place merge 1"}', '{"kind":"umlcow merging 1"}', null]) {
      const scene = makeScene()
      const file = path.join(scene.directory, name)
      if (content === null) mkdirSync(file)
      else writeFileSync(file, content)
      keepsDirectory(scene.directory)
      for (const verb of verbs) expect(refusalCodes([...verb, scene.cow])).toEqual(['JOURNAL_DAMAGED'])
      const outcome = umlcow(['merge', '-d', '--force=siblings,in-use,mtime,room', scene.cow])
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr).toContain('if no merge was ever begun here, move it away')
    }
  })

  it('the same beside links to the overlay and to the backing file', () => {
    const scene = makeScene()
    const inside = (name: string) => path.join(scene.directory, name)
    mkdirSync(inside('elsewhere'))
    symlinkSync(scene.cow, inside('elsewhere/link'))
    linkSync(scene.backing, inside('hard'))
    writeFileSync(inside('elsewhere/link.umlcow-journal'), 'not in its place')
    writeFileSync(inside('cow.umlcow-journal'), 'in its place')
    expect(refusalCodes(['merge', '-d', inside('elsewhere/link')])).toEqual(['JOURNAL_DAMAGED'])
  })
})

/** A small file system of its own, or null where none can be mounted. */
function mountSmall(directory: string): boolean {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory])
  if (status !== 0) return false
  onTestFinished(() => {
    spawnSync('umount', [directory])
  })
  return true
}

describe('a disk that is nearly full', () => {
  it('is refused before anything is changed; with --force=room the merge can be finished', (context) => {
    const directory = temporaryDirectory()
    if (!mountSmall(directory)) {
      console.warn('skipped: no file system can be mounted here')
      return context.skip()
    }
    const [cow, backing] = [path.join(directory, 'cow'), path.join(directory, 'root_fs')]
    const virtualSize = 8 * 2 ** 20
    const sectors = new Map(Array.from({ length: 3600 }, (_, sector) => [sector, sectorText('overlay', sector)]))
    writeHole(backing, virtualSize)
    writeOverlay(cow, { virtualSize, backing, sectors })
    const before = [cow, backing].map(stateOf)
    const outcome = umlcow(['merge', '-d', cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toMatch(
      /root_fs has .* free, and the merge may need .*\numlcow: free .* there\numlcow: --force=room .*\n$/,
    )
    expect(refusalCodes(['commit', '--dry-run', cow])).toEqual(['NO_ROOM'])
    expect([cow, backing].map(stateOf)).toEqual(before)

    const failed = umlcow(['merge', '-d', '--force=room', cow])
    expectPlainFailure(failed, 1)
    expect(failed.stderr).toContain('the merge is not finished')
    expect(failed.stderr).toMatch(/umlcow: free up to .* on its file system, then umlcow merge --resume .*cow\n$/)
    expect(spawnSync('mount', ['-o', 'remount,size=8m', directory]).status).toBe(0)
    expectMerged(['merge', '--resume', cow])
    const expected = Buffer.alloc(virtualSize)
    for (const [sector, bytes] of sectors) bytes.copy(expected, sector * 512)
    expect(readFileSync(backing).equals(expected)).toBe(true)
    expect(namesIn(directory)).toEqual(['cow', 'root_fs'])
  })
})
