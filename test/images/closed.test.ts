import { closeSync, openSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseCowHeader } from '../../src/formats/cow/index.js'
import { openCowImage } from '../../src/images/cow-image.js'
import type { Image } from '../../src/images/image.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { openCow, openImage } from '../../src/overlays/open-image.js'
import type { BlockStore } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { map } from '../../src/verbs/map/index.js'
import { countedStore } from '../stores/faulty-stores.js'
import { generatePair, writePair } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'

const pair = generatePair(5, { layout: 'v3', sectorSize: 512, virtualSize: 50 * 512, pattern: 'runs' })

function onDisk(): { cow: string; backing: string } {
  const { overlayPath: cow, backingPath: backing } = writePair(pair, temporaryDirectory())
  return { cow, backing }
}

/** Makes an image over stores that the test may replace. */
type Over = (change: (store: BlockStore) => BlockStore) => Image & AsyncDisposable

const raw: Over = (change) => openRawImage(change(openMemoryStore(pair.backingBytes)))
const cow: Over = (change) => {
  const header = parseCowHeader(pair.overlayBytes)
  return openCowImage(change(openMemoryStore(pair.overlayBytes)), header, raw(change))
}

describe.each([
  ['a raw image', async () => raw((store) => store)],
  ['an image of an overlay', async () => cow((store) => store)],
  ['openImage of a raw file', () => openImage(onDisk().backing)],
  ['openImage of an overlay', () => openImage(onDisk().cow)],
  ['openCow', () => openCow(onDisk().cow)],
] as const)('%s, closed', (_name, make) => {
  test('refuses reads and extents, and is closed once', async () => {
    const image = await make()
    const walk = image.extents(0, image.virtualSize)[Symbol.asyncIterator]()
    expect((await walk.next()).done).toBe(false)
    await image.close()
    for (const length of [0, 1]) {
      await expect(image.read(0, new Uint8Array(length))).rejects.toMatchObject({ code: 'CLOSED' })
      const fresh = async () => image.extents(0, length)[Symbol.asyncIterator]().next()
      await expect(fresh()).rejects.toMatchObject({ code: 'CLOSED' })
    }
    await expect(walk.next()).rejects.toMatchObject({ code: 'CLOSED' })
    await image.close()
  })

  test('is closed by `await using`; there was no such method', async () => {
    const image = await make()
    await image[Symbol.asyncDispose]()
    await expect(image.read(0, new Uint8Array(1))).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

test('a read after close does not give the bytes of a file that has the descriptor by now', async () => {
  const { backing } = onDisk()
  const secret = path.join(temporaryDirectory(), 'secret')
  writeFileSync(secret, Buffer.alloc(50 * 512, 's'))
  const image = await openImage(backing)
  await image.close()
  const others = [openSync(secret, 'r'), openSync(secret, 'r')]
  try {
    const target = Buffer.alloc(6)
    await expect(image.read(0, target)).rejects.toMatchObject({ code: 'CLOSED' })
    expect(target.equals(Buffer.alloc(6))).toBe(true)
  } finally {
    others.forEach(closeSync)
  }
})

test('the extents of a map that was closed are refused', async () => {
  const found = await map(onDisk().cow, { noBacking: true })
  await found.close()
  await expect(found.extents[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'CLOSED' })
})

test.each([
  ['a raw image', raw],
  ['an image of an overlay', cow],
] as const)('%s waits in close for a read under way', async (_name, over) => {
  let letGo = () => {}
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const closed: string[] = []
  const image = over((store) => ({
    ...countedStore(store),
    size: store.size,
    read: async (offset, target) => {
      await gate
      return store.read(offset, target)
    },
    close: async () => {
      closed.push('store')
      await store.close()
    },
  }))
  const target = new Uint8Array(image.virtualSize)
  const reading = image.read(0, target)
  const closing = image.close()
  await new Promise(setImmediate)
  expect(closed).toEqual([])
  letGo()
  await Promise.all([reading, closing])
  expect(closed).not.toEqual([])
  expect(target.some((byte) => byte !== 0)).toBe(true)
})
