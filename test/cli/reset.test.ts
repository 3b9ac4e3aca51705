import {
  chmodSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { expectMerged, headerMtime, keepsDirectory, mtimeOf, refusalCodes, shownBy } from './in-place-scene.js'
import {
  allocatedBytes,
  bitmapOffset,
  dataOffsetOf,
  expectPlainFailure,
  holdOpen,
  keepsUntouched,
  makeScene,
  namesIn,
  pairMtime,
  setMtime,
  sha256,
  writeHole,
  writeOverlay,
} from './scene.js'

describe('reset', () => {
  it('gives an overlay that is, byte for byte, a new one', () => {
    const scene = makeScene()
    keepsUntouched(scene.backing)
    const outcome = expectMerged(['reset', scene.cow])
    expect(outcome.stdout).toBe(`${scene.cow}: empty; lost 6 KiB of changes\n`)
    expectMerged(['create', path.join(scene.directory, 'new'), '-b', scene.backing])
    expect(sha256(scene.cow)).toBe(sha256(path.join(scene.directory, 'new')))
    expect(shownBy(scene.cow, scene.backing).equals(scene.backingBytes)).toBe(true)
    expect(allocatedBytes(scene.cow)).toBeLessThanOrEqual(2 * 8192)
    expect(umlcow(['check', scene.cow]).status).toBe(0)
  })

  it.each(listPairs().map((pair) => pair.kind))('of %s', (kind) => {
    const directory = temporaryDirectory()
    const pair = unpackPair(kind, directory)
    keepsUntouched(pair.paths.backing)
    for (const cow of pair.paths.overlays) {
      expect(umlcow(['rebase', '-u', '-b', 'root_fs', path.basename(cow)], { cwd: directory }).status).toBe(0)
      const outcome = umlcow(['reset', '--no-sync', cow])
      expect(outcome.status, outcome.stderr).toBe(0)
      const isOld = readFileSync(cow).length > 0 && kind.startsWith('v') && !kind.startsWith('v3')
      if (isOld)
        expect(outcome.stderr).toMatch(/^umlcow: warning: .*: had version [12]; the empty one has version 3\n$/)
      expect(shownBy(cow, pair.paths.backing).equals(readFileSync(pair.paths.backing))).toBe(true)
      expect(umlcow(['check', cow]).stdout).toContain('; 0 of ')
    }
  })

  it('fits the backing file as it is now, whatever its size and time', () => {
    const scene = makeScene()
    truncateSync(scene.backing, 100_000)
    setMtime(scene.backing, pairMtime + 99)
    keepsUntouched(scene.backing)
    expectMerged(['reset', scene.cow])
    expect(headerMtime(scene.cow)).toBe(pairMtime + 99)
    expect(statSync(scene.cow).size).toBe(dataOffsetOf(100_000) + 100_000)
    expect(umlcow(['check', scene.cow]).status).toBe(0)
  })

  it('keeps the path as it is in the header, the permissions, and links to it', () => {
    const scene = makeScene({ header: './root_fs' })
    chmodSync(scene.cow, 0o640)
    symlinkSync('cow', path.join(scene.directory, 'link'))
    expectMerged(['reset', path.join(scene.directory, 'link')])
    expect(readFileSync(scene.cow).subarray(32, 44).toString('latin1')).toBe('./root_fs\0\0\0')
    expect(statSync(scene.cow).mode & 0o777).toBe(0o640)
    expect(namesIn(scene.directory)).toEqual(['cow', 'link', 'root_fs'])
    expect(
      readFileSync(path.join(scene.directory, 'link'))
        .subarray(bitmapOffset)
        .every((byte) => byte === 0),
    ).toBe(true)
  })

  it('leaves siblings alone', () => {
    const scene = makeScene()
    const sibling = path.join(scene.directory, 'sibling')
    copyFileSync(scene.cow, sibling)
    keepsUntouched(sibling, scene.backing)
    expectMerged(['reset', scene.cow])
  })

  it('resolves the path in the header inside --backing-root', () => {
    const scene = makeScene({ header: '/root_fs' })
    expectMerged(['reset', '--backing-root', scene.directory, scene.cow])
    expect(headerMtime(scene.cow)).toBe(mtimeOf(scene.backing))
    expect(readFileSync(scene.cow).subarray(32, 41).toString('latin1')).toBe('/root_fs\0')
  })

  it.each(['with spaces', 'new\nline', '$(touch x)', '-n'])('copes with the name %j', (name) => {
    const scene = makeScene()
    renameSync(scene.cow, path.join(scene.directory, name))
    const outcome = umlcow(['reset', '--', name], { cwd: scene.directory })
    expect(outcome.status, outcome.stderr).toBe(0)
    expect(namesIn(scene.directory)).toEqual([name, 'root_fs'].sort())
  })

  it('of a huge, empty disk takes no room', () => {
    const scene = makeScene()
    const virtualSize = 2 ** 36
    writeHole(scene.backing, virtualSize)
    writeOverlay(scene.cow, { virtualSize, backing: scene.backing })
    expectMerged(['reset', scene.cow])
    expect(allocatedBytes(scene.cow)).toBeLessThanOrEqual(2 * 8192)
  })
})

describe('reset --dry-run and --quiet', () => {
  it('change nothing, and say nothing', () => {
    const scene = makeScene()
    keepsDirectory(scene.directory)
    expect(expectMerged(['reset', '-n', scene.cow]).stdout).toBe(`${scene.cow}: would lose 6 KiB of changes\n`)
    expect(expectMerged(['reset', '-n', '-q', scene.cow]).stdout).toBe('')
  })
})

describe('reset is refused, and nothing changes', () => {
  it('when a guest has the overlay open, unless --force=in-use', async () => {
    const scene = makeScene()
    keepsUntouched(scene.backing)
    const pid = await holdOpen(scene.cow)
    const outcome = umlcow(['reset', scene.cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`is in use by process ${pid}`)
    expect(shownBy(scene.cow, scene.backing).equals(scene.merged)).toBe(true)
    expectMerged(['reset', '--force=in-use', scene.cow])
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('a backing file that others have open is none of its business', async () => {
    const scene = makeScene()
    await holdOpen(scene.backing, 'r')
    expectMerged(['reset', scene.cow])
  })

  it.each<[string, number, (scene: ReturnType<typeof makeScene>) => void]>([
    ['a missing backing file', 1, ({ backing }) => rmSync(backing)],
    ['a file that is no overlay', 63, ({ cow }) => writeFileSync(cow, 'text')],
    ['a damaged header', 1, ({ cow }) => truncateSync(cow, 50)],
    [
      'a backing file that is a directory',
      4,
      ({ backing, directory }) => {
        rmSync(backing)
        symlinkSync(directory, backing)
      },
    ],
    [
      'an overlay that is its own backing file',
      4,
      ({ backing }) => {
        rmSync(backing)
        symlinkSync('cow', backing)
      },
    ],
  ])('%s: status %i', (_what, status, change) => {
    const scene = makeScene()
    change(scene)
    keepsUntouched(scene.cow)
    expectPlainFailure(umlcow(['reset', scene.cow]), status)
    expect(namesIn(scene.directory).filter((name) => name.includes('tmp'))).toEqual([])
  })
  it('a backing file that is itself an overlay', () => {
    const scene = makeScene()
    setMtime(scene.cow)
    const top = path.join(scene.directory, 'top')
    writeOverlay(top, { virtualSize: readFileSync(scene.cow).length, backing: scene.cow })
    keepsDirectory(scene.directory)
    expect(refusalCodes(['reset', top])).toEqual(['BACKING_IS_COW'])
  })
})
