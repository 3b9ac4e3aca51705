import { spawnSync } from 'node:child_process'
import { readdirSync, renameSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Image } from '../../src/images/image.js'
import { localHostFiles } from '../../src/machine/host-files.js'
import { openInput } from '../../src/overlays/open.js'
import { openCow, openImage } from '../../src/overlays/open-image.js'
import { openOverlay } from '../../src/overlays/open-overlay.js'
import { type GeneratedPair, generatePair, writePair } from '../support/generate.js'
import { failAt, hookedFiles } from '../support/hooked-files.js'
import { mergeNaively } from '../support/naive.js'
import { temporaryDirectory } from '../support/paths.js'

const size = 50 * 512

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

async function readAll(image: Image): Promise<Buffer> {
  const bytes = Buffer.alloc(image.virtualSize)
  await image.read(0, bytes)
  return bytes
}

/** Reads an image whole and closes it; no descriptor stays open. */
async function contentOf(opening: () => Promise<Image>): Promise<Buffer> {
  const before = openDescriptors()
  const image = await opening()
  try {
    return await readAll(image)
  } finally {
    await image.close()
    expect(openDescriptors()).toBe(before)
  }
}

/** The code of the failure, after which no descriptor is open. */
async function failure(opening: () => Promise<unknown>): Promise<string> {
  const before = openDescriptors()
  try {
    await opening()
  } catch (error) {
    expect(openDescriptors()).toBe(before)
    return (error as { code: string }).code
  }
  return 'no error'
}

interface Chain {
  readonly directory: string
  readonly bottom: GeneratedPair
  readonly merged: Uint8Array
}

/** top over middle over root_fs, each header with the name beside it. */
function chain(): Chain {
  const directory = temporaryDirectory()
  const options = { layout: 'v3', sectorSize: 512, virtualSize: size, pattern: 'runs' } as const
  const bottom = generatePair(31, options)
  const top = generatePair(32, { ...options, headerPath: 'middle' })
  writePair(bottom, directory, { overlayName: 'middle' })
  writeFileSync(path.join(directory, 'top'), top.overlayBytes)
  utimesSync(path.join(directory, 'middle'), top.mtime, top.mtime)
  return { directory, bottom, merged: mergeNaively(top.overlayBytes, bottom.merged, top.facts) }
}

describe('openImage', () => {
  test('of an overlay is what the guest sees, of anything else the file itself', async () => {
    const pair = generatePair(30, { virtualSize: size })
    const { overlayPath, backingPath } = writePair(pair, temporaryDirectory(), { headerPath: 'absolute' })
    expect((await contentOf(() => openImage(overlayPath))).equals(pair.merged)).toBe(true)
    expect((await contentOf(() => openCow(overlayPath))).equals(pair.merged)).toBe(true)
    expect((await contentOf(() => openImage(backingPath))).equals(pair.backingBytes)).toBe(true)
    expect(await failure(() => openCow(backingPath))).toBe('NOT_COW')
  })

  test('of every layout', async () => {
    for (const layout of ['v1', 'v1big', 'v1hybrid', 'v2', 'v2little', 'v3', 'v3little', 'v3padded'] as const) {
      const pair = generatePair(33, { layout, virtualSize: size + 100 })
      const { overlayPath } = writePair(pair, temporaryDirectory())
      expect((await contentOf(() => openImage(overlayPath))).equals(pair.merged), layout).toBe(true)
    }
  })

  test('of an empty file is an empty disk', async () => {
    const filePath = path.join(temporaryDirectory(), 'empty')
    writeFileSync(filePath, '')
    expect(await contentOf(() => openImage(filePath))).toHaveLength(0)
  })

  test('refuses a backing file that does not fit, unless told', async () => {
    const pair = generatePair(34, { layout: 'v3', virtualSize: size })
    const { overlayPath, backingPath } = writePair(pair, temporaryDirectory())
    utimesSync(backingPath, 5, 5)
    expect(await failure(() => openImage(overlayPath))).toBe('BACKING_MTIME')
    expect((await contentOf(() => openImage(overlayPath, { force: ['mtime'] }))).equals(pair.merged)).toBe(true)
    truncateSync(backingPath, 1000)
    expect(await failure(() => openImage(overlayPath, { force: ['mtime'] }))).toBe('BACKING_SIZE')
    const shorter = mergeNaively(pair.overlayBytes, pair.backingBytes.subarray(0, 1000), pair.facts)
    expect((await contentOf(() => openImage(overlayPath, { force: ['mtime', 'size'] }))).equals(shorter)).toBe(true)
  })

  test('refuses what is no file', async () => {
    const directory = temporaryDirectory()
    const fifo = path.join(directory, 'fifo')
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
    expect(await failure(() => openImage(directory))).toBe('NOT_A_FILE')
    expect(await failure(() => openImage(fifo))).toBe('NOT_A_FILE')
    expect(await failure(() => openImage('/dev/null'))).toBe('NOT_A_FILE')
    expect(await failure(() => openImage(path.join(directory, 'none')))).toBe('ENOENT')
  })
})

describe('a chain', () => {
  test('is refused as a backing file, unless it is asked for', async () => {
    const { directory, merged, bottom } = chain()
    const top = path.join(directory, 'top')
    // As plain data the file below has another length than its disk.
    expect(await failure(() => openImage(top))).toBe('BACKING_SIZE')
    expect(await failure(() => openImage(top, { force: ['size'] }))).toBe('BACKING_IS_COW')
    expect((await contentOf(() => openImage(top, { chain: true }))).equals(merged)).toBe(true)
    const middle = path.join(directory, 'middle')
    expect((await contentOf(() => openImage(middle, { chain: true }))).equals(bottom.merged)).toBe(true)
  })

  test('a file that is given stands for the topmost backing file only', async () => {
    const { directory, merged } = chain()
    renameSync(path.join(directory, 'middle'), path.join(directory, 'moved'))
    const options = { chain: true, backing: path.join(directory, 'moved') }
    expect((await contentOf(() => openImage(path.join(directory, 'top'), options))).equals(merged)).toBe(true)
  })

  test('that goes in a circle is refused', async () => {
    const directory = temporaryDirectory()
    const options = { layout: 'v3', sectorSize: 512, virtualSize: size } as const
    const names = ['a', 'b', 'c']
    for (const [i, name] of names.entries()) {
      const pair = generatePair(35, { ...options, headerPath: names[(i + 1) % 3]! })
      writeFileSync(path.join(directory, name), pair.overlayBytes)
      utimesSync(path.join(directory, name), pair.mtime, pair.mtime)
    }
    expect(await failure(() => openImage(path.join(directory, 'a'), { chain: true }))).toBe('CHAIN_TOO_LONG')
    symlinkSync('a', path.join(directory, 'link'))
    expect(await failure(() => openImage(path.join(directory, 'link'), { chain: true }))).toBe('CHAIN_TOO_LONG')
  })

  test('that is long is read, one that is too long is refused', async () => {
    const directory = temporaryDirectory()
    const options = {
      layout: 'v3',
      sectorSize: 512,
      alignment: 512,
      virtualSize: 1024,
      pattern: 'empty',
      strayBits: false,
    } as const
    const base = generatePair(36, options)
    writePair(base, directory, { overlayName: '1' })
    for (let i = 2; i <= 70; i++) {
      const pair = generatePair(36, { ...options, headerPath: String(i - 1) })
      writeFileSync(path.join(directory, String(i)), pair.overlayBytes)
    }
    for (let i = 1; i <= 70; i++) utimesSync(path.join(directory, String(i)), base.mtime, base.mtime)
    const open = (name: string) => () => openImage(path.join(directory, name), { chain: true })
    expect((await contentOf(open('60'))).equals(base.backingBytes)).toBe(true)
    expect(await failure(open('70'))).toBe('CHAIN_TOO_LONG')
  })

  test('tells how deep its extents lie', async () => {
    const { directory } = chain()
    const image = await openImage(path.join(directory, 'top'), { chain: true })
    try {
      const depths = new Set<number>()
      for await (const { depth } of image.extents(0, image.virtualSize)) depths.add(depth)
      expect(depths).toEqual(new Set([0, 1, 2]))
    } finally {
      await image.close()
    }
  })
})

test('every failure on the way to a chain leaves no descriptor open', async () => {
  const { directory } = chain()
  const seen = new Set<string>()
  for (let count = 0; ; count++) {
    const fault = failAt(count, 'recovers')
    const files = hookedFiles(fault.hook)
    const code = await failure(async () => {
      const image = await openImage(path.join(directory, 'top'), { chain: true, files })
      await image.close()
    })
    const call = fault.failed()
    if (call === null) break
    seen.add(call.split(' ')[0]!)
    expect(code, call).toBe('EIO')
  }
  for (const call of ['close', 'lstat', 'open', 'read', 'stat']) expect(seen).toContain(call)
})

describe('openInput', () => {
  test('notices a file that was replaced between the look and the opening', async () => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, 'old')
    const files = hookedFiles((call) => {
      if (!call.startsWith('open ')) return
      writeFileSync(`${filePath}.new`, 'new')
      renameSync(`${filePath}.new`, filePath)
    })
    expect(await failure(() => openInput(files, filePath))).toBe('NOT_A_FILE')
    const input = await openInput(localHostFiles, filePath)
    expect(input.facts.size).toBe(3)
    await input.store.close()
  })

  test('opens for writing only when asked', async () => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, 'old')
    const input = await openInput(localHostFiles, filePath)
    await expect(input.store.write(0, Uint8Array.of(1))).rejects.toMatchObject({ code: 'EBADF' })
    await input.store.close()
  })
})

test('openOverlay closes the file whose header is damaged', async () => {
  const filePath = path.join(temporaryDirectory(), 'file')
  for (const [bytes, code] of [
    ['', 'NOT_COW'],
    ['OOOM', 'SHORT_HEADER'],
    ['OOOM\0\0\0\x04', 'BAD_VERSION'],
  ] as const) {
    writeFileSync(filePath, bytes)
    expect(await failure(() => openOverlay(localHostFiles, filePath))).toBe(code)
  }
})
