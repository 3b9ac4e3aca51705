import { allocateUnsafe, writeZeros } from '../../bytes/fast.js'
import { type Stretches, StretchList } from '../../bytes/stretch-list.js'
import { UmlcowError } from '../../errors.js'
import { createCopyPace } from '../../machine/copying/pace.js'
import { Sha256 } from '../../machine/digests/sha256.js'
import { readExactNow, type SyncBlockStore } from '../../stores/block-store.js'
import type { NamedBmap } from './read-bmap.js'

const windowSize = 256 * 1024

/** Compares the bytes of an image with a block map, range by range. */
class MappedData {
  private digest = new Sha256()
  /** Index of the range that comes next, or that has begun. */
  private range = 0
  private readonly bmap: NamedBmap
  private readonly name: string

  /** @param name  of the image, for messages */
  constructor(bmap: NamedBmap, name: string) {
    this.bmap = bmap
    this.name = name
  }

  /**
   * Take the next bytes of the image, and write zeros over those that are in no range. The caller may leave out bytes that
   * are in no range.
   */
  take(start: number, bytes: Uint8Array): void {
    const { stretches } = this.bmap
    const end = start + bytes.length
    for (let at = start; at < end; ) {
      const from = stretches[2 * this.range] ?? Number.POSITIVE_INFINITY
      const to = stretches[2 * this.range + 1] ?? Number.POSITIVE_INFINITY
      const isMapped = at >= from
      const next = Math.min(end, isMapped ? to : from)
      if (isMapped) this.digest.update(bytes.subarray(at - start, next - start))
      else writeZeros(bytes, at - start, next - start)
      if (next === to) this.endRange(from, to)
      at = next
    }
  }

  /** @throws UmlcowError BMAP_MISMATCH */
  checkSize(size: number): void {
    const { imageSize, name } = this.bmap
    if (size !== imageSize) {
      throw new UmlcowError('BMAP_MISMATCH', `${this.name}: expected ${imageSize} bytes as in ${name}, got ${size}`)
    }
  }

  /** The image must not be longer than this. @throws UmlcowError BMAP_MISMATCH */
  checkEnd(end: number): void {
    const { imageSize, name } = this.bmap
    if (end > imageSize) {
      throw new UmlcowError('BMAP_MISMATCH', `${this.name}: has more than the ${imageSize} bytes that ${name} says`)
    }
  }

  private endRange(from: number, to: number): void {
    const expected = this.bmap.digests[this.range++]
    const digest = this.digest.hex()
    this.digest = new Sha256()
    if (expected === null || digest === expected) return
    const { name, blockSize } = this.bmap
    const blocks = `${from / blockSize} to ${Math.ceil(to / blockSize) - 1}`
    throw new UmlcowError('BMAP_MISMATCH', `${this.name}: the data of blocks ${blocks} is not that of ${name}`, {
      hint: 'the image is damaged or another one, or it was changed after the bmap file was made',
    })
  }
}

/** Pass the pieces of an image on, with zeros for what is in no range. The end can bring an error as any piece can. */
export async function* checkedByBmap(
  pieces: AsyncIterable<Uint8Array>,
  bmap: NamedBmap,
  name: string,
): AsyncGenerator<Uint8Array> {
  const data = new MappedData(bmap, name)
  let at = 0
  for await (const piece of pieces) {
    data.checkEnd(at + piece.length)
    data.take(at, piece)
    at += piece.length
    yield piece
  }
  data.checkSize(at)
}

/**
 * Read all ranges of an open image, and check their digests.
 *
 * @returns the ranges: those that touch are joined
 * @throws  UmlcowError BMAP_MISMATCH, SHORT_READ, INTERRUPTED
 */
export async function verifyByBmap(
  store: SyncBlockStore,
  bmap: NamedBmap,
  signal: AbortSignal | undefined,
): Promise<Stretches> {
  const data = new MappedData(bmap, store.name)
  data.checkSize(store.size)
  const { stretches } = bmap
  const pace = createCopyPace(signal, undefined)
  const room = allocateUnsafe(windowSize)
  const joined = new StretchList(stretches.length / 2)
  for (let i = 0; i < stretches.length; i += 2) {
    const end = stretches[i + 1]!
    for (let at = stretches[i]!; at < end; ) {
      const bytes = room.subarray(0, Math.min(windowSize, end - at))
      readExactNow(store, at, bytes)
      data.take(at, bytes)
      at += bytes.length
      await pace.rest(at)
    }
    joined.add(stretches[i]!, end)
  }
  return joined.stretches()
}
