import { linkSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { merge } from '../../../src/index.js'
import { mergeNewFile } from '../../../src/verbs/merge/new-image/merge-new.js'
import { generatePair, writePair } from '../../support/generate.js'
import { hookedFiles } from '../../support/hooked-files.js'
import { temporaryDirectory } from '../../support/paths.js'

function scene() {
  const directory = temporaryDirectory()
  const pair = generatePair(61, { layout: 'v3', sectorSize: 512, virtualSize: 40 * 512, pattern: 'runs' })
  const { overlayPath: cow, backingPath: backing } = writePair(pair, directory, { headerPath: 'absolute' })
  const holds = (file: string) => readFileSync(file).equals(pair.merged)
  return { cow, backing, pair, holds, at: (name: string) => path.join(directory, name) }
}

describe('the target of a merge', () => {
  test('that is the backing file is merged in place', async () => {
    const { cow, backing, holds } = scene()
    expect(await merge(cow, backing, { noSync: true })).toMatchObject({
      inPlace: true,
      changed: true,
      afterwards: 'keep',
    })
    expect(holds(backing)).toBe(true)
  })

  test('that is the backing file by another name is merged in place, with the options of such a merge', async () => {
    const { cow, backing, holds, at } = scene()
    linkSync(backing, at('hard'))
    symlinkSync('hard', at('soft'))
    const options = { noSync: true, afterwards: 'reset', verify: true, overwrite: true } as const
    expect(await merge(cow, at('soft'), options)).toMatchObject({ inPlace: true, afterwards: 'reset' })
    expect(holds(at('hard'))).toBe(true)
  })

  test('that is the file of `backing` is merged in place', async () => {
    const { cow, backing, at, pair, holds } = scene()
    writeFileSync(at('copy'), readFileSync(backing))
    utimesSync(at('copy'), pair.mtime, pair.mtime)
    expect(await merge(cow, at('copy'), { noSync: true, backing: at('copy') })).toMatchObject({ inPlace: true })
    expect([holds(at('copy')), readFileSync(backing).equals(pair.backingBytes)]).toEqual([true, true])
  })

  test('that is the backing file is guarded: other overlays on it, and its own mtime', async () => {
    const { cow, backing, at, pair } = scene()
    writeFileSync(at('sibling'), pair.overlayBytes)
    await expect(merge(cow, backing)).rejects.toMatchObject({ code: 'SIBLINGS' })
    utimesSync(backing, 7, 7)
    await expect(merge(cow, backing)).rejects.toMatchObject({ code: 'BACKING_MTIME' })
    expect(readFileSync(backing).equals(pair.backingBytes)).toBe(true)
  })

  test('that is the backing file is left as it is by a dry run', async () => {
    const { cow, backing, pair } = scene()
    expect(await merge(cow, backing, { dryRun: true })).toMatchObject({ inPlace: true, dryRun: true })
    expect(readFileSync(backing).equals(pair.backingBytes)).toBe(true)
  })

  test('that is not there is a new file', async () => {
    const { cow, backing, at, holds, pair } = scene()
    expect(await merge(cow, at('new'), { noSync: true, sparse: 'never' })).toMatchObject({ inPlace: false })
    expect([holds(at('new')), readFileSync(backing).equals(pair.backingBytes)]).toEqual([true, true])
  })

  test('that is the overlay is refused', async () => {
    const { cow } = scene()
    await expect(merge(cow, cow, { overwrite: true })).rejects.toMatchObject({ code: 'SAME_FILE' })
  })

  test('decides which options there are', async () => {
    const { cow, backing, at } = scene()
    writeFileSync(at('there'), 'x')
    const usage = { code: 'USAGE' }
    await expect(merge(cow, backing, { sparse: 'always' })).rejects.toMatchObject(usage)
    await expect(merge(cow, backing, { copier: 'read' })).rejects.toMatchObject(usage)
    await expect(merge(cow, at('new'), { keepSiblings: true })).rejects.toMatchObject(usage)
    await expect(merge(cow, at('there'), { overwrite: true, afterwards: 'reset' })).rejects.toMatchObject(usage)
    await expect(merge(cow, backing, { force: ['size'] })).rejects.toThrow(RangeError)
    await expect(merge(cow, at('new'), { force: ['siblings'] })).rejects.toThrow(RangeError)
  })

  test('that is the backing file is refused where only a new file will do', async () => {
    const { cow, backing, pair } = scene()
    await expect(mergeNewFile(cow, backing, { overwrite: true })).rejects.toMatchObject({ code: 'SAME_FILE' })
    expect(readFileSync(backing).equals(pair.backingBytes)).toBe(true)
  })

  test('is decided on files that are opened once: the overlay once for a new file', async () => {
    const { cow, at } = scene()
    const calls: string[] = []
    await merge(cow, at('new'), { files: hookedFiles((call) => void calls.push(call)), noSync: true })
    expect(calls.filter((call) => call === `open read ${cow}`)).toHaveLength(1)
  })
})
