import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findTruncation, type Truncation } from '../../src/images/cow-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { runs } from '../support/amount.js'
import { type GeneratedPair, generatePair } from '../support/generate.js'
import { isSupplied } from '../support/naive.js'
import { parsePair } from './oracle.js'

/** Byte by byte: which bytes of allocated sectors has a file of this size not got? */
function naiveTruncation(pair: GeneratedPair, size: number): Truncation | null {
  const overlay = pair.overlayBytes.subarray(0, size)
  const { bitmapOffset, bitmapLength, dataOffset } = pair.facts
  const inBitmap = size < bitmapOffset + bitmapLength
  let missingLength = 0
  let firstMissing: number | null = null
  for (let at = 0; at < pair.virtualSize; at++) {
    const sector = Math.floor(at / pair.sectorSize)
    if (dataOffset + at < size || !isSupplied(overlay, pair.facts, sector)) continue
    missingLength++
    firstMissing ??= at
  }
  return inBitmap || missingLength > 0 ? { inBitmap, missingLength, firstMissing } : null
}

async function found(pair: GeneratedPair, size: number): Promise<Truncation | null> {
  return findTruncation(openMemoryStore(pair.overlayBytes.subarray(0, size)), parsePair(pair))
}

describe('findTruncation', () => {
  test('equals a loop over the bytes, wherever the file ends', async () => {
    const property = fc.asyncProperty(
      fc.nat(100_000),
      fc.integer({ min: 1, max: 60 }),
      fc.constantFrom(0, 0, 100),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (seed, sectors, cut, kept) => {
        const pair = generatePair(seed, { virtualSize: sectors * 512 - cut })
        const { headerSize } = pair.facts
        const size = headerSize + Math.round(kept * (pair.overlayBytes.length - headerSize))
        expect(await found(pair, size)).toEqual(naiveTruncation(pair, size))
      },
    )
    await fc.assert(property, { numRuns: runs(250) })
  })

  test('at every length of a small overlay of each layout', async () => {
    for (const layout of ['v1', 'v1big', 'v2', 'v3', 'v3padded'] as const) {
      const pair = generatePair(11, {
        layout,
        sectorSize: 512,
        alignment: 16,
        virtualSize: 19 * 512 - 100,
        pattern: 'alternating',
      })
      const { headerSize, dataOffset } = pair.facts
      const ends = [headerSize, dataOffset - 1, dataOffset, dataOffset + 1, pair.overlayBytes.length - 1]
      const all = Array.from({ length: 40 }, (_, i) => dataOffset + i * 256)
      for (const size of [...ends, ...all].filter((one) => one <= pair.overlayBytes.length)) {
        expect(await found(pair, size), `${layout}, ${size} bytes`).toEqual(naiveTruncation(pair, size))
      }
    }
  })

  test('finds nothing wrong with a missing tail that is not allocated', async () => {
    const pair = generatePair(1, {
      layout: 'v3',
      sectorSize: 512,
      virtualSize: 64 * 512,
      pattern: 'empty',
      strayBits: false,
    })
    expect(await found(pair, pair.facts.dataOffset)).toBeNull()
    expect(await found(pair, pair.facts.bitmapOffset + pair.facts.bitmapLength)).toBeNull()
    expect(await found(pair, pair.facts.bitmapOffset + pair.facts.bitmapLength - 1)).toEqual({
      inBitmap: true,
      missingLength: 0,
      firstMissing: null,
    })
  })

  test('takes a partial last sector for whole when its bytes are there', async () => {
    const pair = generatePair(1, { layout: 'v3', sectorSize: 512, virtualSize: 5 * 512 + 100, pattern: 'full' })
    expect(await found(pair, pair.facts.dataOffset + 5 * 512 + 100)).toBeNull()
    expect(await found(pair, pair.facts.dataOffset + 5 * 512 + 99)).toEqual({
      inBitmap: false,
      missingLength: 1,
      firstMissing: 5 * 512 + 99,
    })
  })

  test('has nothing to find in an empty disk', async () => {
    const pair = generatePair(1, { layout: 'v3', virtualSize: 0 })
    expect(await found(pair, pair.facts.headerSize)).toBeNull()
  })

  test('sees what does not fit into 32 bits', async () => {
    const template = parsePair(generatePair(1, { layout: 'v3', virtualSize: 512 }))
    const header = { ...template, virtualSize: 2 ** 41, sectorSize: 2 ** 20, alignment: 4096 }
    // 2^21 sectors of 1 MiB: 256 KiB of bitmap; the last sector is allocated and not there.
    const bytes = new Uint8Array(8192 + 2 ** 18)
    bytes[bytes.length - 1] = 0x80
    expect(await findTruncation(openMemoryStore(bytes), header)).toEqual({
      inBitmap: false,
      missingLength: 2 ** 20,
      firstMissing: 2 ** 41 - 2 ** 20,
    })
  })
})
