import { describe, expect, test } from 'vitest'
import { headLength, isPlain, parseLayer } from '../../src/images/image-formats.js'
import { probe, readHead } from '../../src/images/probe.js'
import { openRawImage } from '../../src/images/raw-image.js'
import type { SyncBlockStore } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { generatePair } from '../support/generate.js'
import { mergeNaively } from '../support/naive.js'

describe('probe', () => {
  test.each(['v1', 'v1big', 'v2', 'v2little', 'v3', 'v3little', 'v3padded'] as const)('knows %s', async (layout) => {
    const { overlayBytes } = generatePair(51, { layout })
    const { format, head } = await probe(openMemoryStore(overlayBytes))
    expect(format).toBe('cow')
    expect(head).toEqual(overlayBytes.subarray(0, headLength))
  })

  test('takes anything else for a raw image, an empty file and a part of the magic too', async () => {
    const { overlayBytes, backingBytes } = generatePair(52, {})
    const others = [backingBytes, new Uint8Array(), overlayBytes.subarray(0, 3), overlayBytes.subarray(1)]
    for (const bytes of others) expect((await probe(openMemoryStore(bytes))).format).toBe('raw')
  })

  test('looks at the first bytes once', async () => {
    const reads: number[] = []
    const store = openMemoryStore(generatePair(53, {}).overlayBytes)
    const readNow = (offset: number, target: Uint8Array) => {
      reads.push(offset)
      return store.readNow(offset, target)
    }
    const counted: SyncBlockStore = { ...store, readNow }
    await probe(counted)
    expect(reads).toEqual([0])
  })

  test('reads no more than there is', async () => {
    expect(await readHead(openMemoryStore(Uint8Array.of(1, 2, 3)))).toEqual(Uint8Array.of(1, 2, 3))
  })
})

describe('a layer', () => {
  test('of an overlay names its backing file, and is an image over another', async () => {
    const pair = generatePair(54, { virtualSize: 50 * 512 })
    const store = openMemoryStore(pair.overlayBytes)
    const { format, head } = await probe(store)
    const layer = parseLayer(format, head, { size: store.size, name: 'cow' })
    if (layer.below === null) throw new Error('unreachable: it is an overlay')
    expect(isPlain(format)).toBe(false)
    const image = layer.open(store, openRawImage(openMemoryStore(pair.backingBytes)))
    const bytes = new Uint8Array(layer.virtualSize)
    await image.read(0, bytes)
    expect(Buffer.compare(bytes, mergeNaively(pair.overlayBytes, pair.backingBytes, pair.facts))).toBe(0)
  })

  test('of a raw image is all of it', async () => {
    const store = openMemoryStore(Uint8Array.of(7, 8, 9))
    const { format, head } = await probe(store)
    const layer = parseLayer(format, head, { size: store.size, name: 'root_fs' })
    if (layer.below !== null) throw new Error('unreachable: it is no overlay')
    expect([isPlain(format), layer.virtualSize]).toEqual([true, 3])
    const bytes = new Uint8Array(3)
    await layer.open(store).read(0, bytes)
    expect([...bytes]).toEqual([7, 8, 9])
  })

  test('of another format than the file has is refused', async () => {
    const parse = () => parseLayer('cow', Uint8Array.of(7, 8, 9), { size: 3, name: 'root_fs' })
    expect(parse).toThrowError(expect.objectContaining({ code: 'NOT_COW' }))
  })
})
