import { expect } from 'vitest'
import type { Extent } from '../../src/bytes/extents.js'
import { type CowHeader, maxHeaderSize, parseCowHeader } from '../../src/formats/cow/index.js'
import { openCowImage } from '../../src/images/cow-image.js'
import type { Image } from '../../src/images/image.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import type { GeneratedPair } from '../support/generate.js'

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

export function parsePair(pair: GeneratedPair): CowHeader {
  return parseCowHeader(pair.overlayBytes.subarray(0, maxHeaderSize), { fileSize: pair.overlayBytes.length })
}

/** The image of a pair in memory; `overlay` may be another form of its bytes, such as a cut one. */
export function openPair(pair: GeneratedPair, overlay: Uint8Array = pair.overlayBytes): Image {
  return openCowImage(openMemoryStore(overlay), parsePair(pair), openRawImage(openMemoryStore(pair.backingBytes)))
}

/** What a range of an image must be, byte by byte, neighbours of one state joined. */
export function naiveExtents(pair: GeneratedPair, start: number, length: number): Extent[] {
  const found: { -readonly [K in keyof Extent]: Extent[K] }[] = []
  for (let at = start; at < start + length; at++) {
    const state = naiveState(pair, at)
    const last = found.at(-1)
    const goesOn =
      last !== undefined &&
      last.depth === state.depth &&
      last.data === state.data &&
      (last.offset === undefined ? undefined : last.offset + last.length) === state.offset
    if (goesOn) last.length++
    else found.push({ start: at, length: 1, ...state })
  }
  return found
}

function naiveState(pair: GeneratedPair, at: number): Pick<Extent, 'depth' | 'data' | 'zero' | 'offset'> {
  if (pair.supplied[Math.floor(at / pair.sectorSize)] === 1) {
    return { depth: 0, data: true, zero: false, offset: pair.facts.dataOffset + at }
  }
  if (at < pair.backingBytes.length) return { depth: 1, data: true, zero: false, offset: at }
  return { depth: 1, data: false, zero: true }
}

/** Extents that follow each other without a gap or an overlap and fill the range, none of them empty. */
export function expectTiles(extents: readonly Extent[], start: number, length: number): void {
  let at = start
  for (const extent of extents) {
    expect(extent.start).toBe(at)
    expect(extent.length).toBeGreaterThan(0)
    at += extent.length
  }
  expect(at).toBe(start + length)
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
