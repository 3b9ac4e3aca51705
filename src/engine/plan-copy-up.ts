import { countSetBits, forEachSetRun } from '../bytes/bitmap.js'
import { allocateUnsafe } from '../bytes/fast.js'
import { isZero } from '../bytes/zeros.js'
import type { Layers, StoredOverlay } from './merge-layers.js'
import { createTransfer, type Step, type Steps, setTransfer } from './step.js'
import { walkBitmap } from './walk-bitmap.js'
import { defaultWindowSize } from './window-size.js'

// Before a merge changes the backing file, each sibling gets the old bytes of every sector that the merge will change
// and that the sibling has not allocated. The plan copies whole groups of 4 KiB: the kernel misreads a page when the
// overlay has only a part of it. Siblings always have sectors of 512 bytes, so a byte of the bitmap is one such group.

const sectorSize = 512

/** Bytes of bitmap in memory at a time. */
const pieceSize = 64 * 1024

/** A merge and one sibling. The merge will change, in the backing file, every sector that `overlay` has allocated. */
export interface CopyUpLayers extends Layers {
  readonly sibling: StoredOverlay
}

/** A piece of the bitmaps: the sectors to copy, and the sibling's bits before the copy. */
interface Needs {
  readonly needed: Uint8Array
  readonly siblingBits: Uint8Array
  /** Where the piece starts: bytes from the start of either bitmap. */
  readonly offset: number
}

/** Plan to count the bytes that the sibling needs. */
export function* planCopyUpSize(layers: Omit<CopyUpLayers, 'backing'>, result: { bytes: number }): Steps {
  for (const item of walkNeeds(layers)) {
    if ('kind' in item) yield item
    else result.bytes += countSetBits(item.needed, item.needed.length * 8) * sectorSize
  }
}

/** Plan to write the old bytes into the sibling's data. Nothing reads them until `planCopyUpBits` has run. */
export function* planCopyUpData(layers: CopyUpLayers, result: { bytes: number }): Steps {
  const { overlay, sibling, backing } = layers
  const bytes = allocateUnsafe(defaultWindowSize)
  const present = allocateUnsafe(defaultWindowSize)
  const step = createTransfer(backing)
  for (const item of walkNeeds(layers)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (const [start, end] of neededRanges(item, overlay.header.virtualSize)) {
      for (let at = start; at < end; at += bytes.length) {
        const part = bytes.subarray(0, Math.min(bytes.length, end - at))
        step.position = at
        yield setTransfer(step, 'read', backing, at, part)
        result.bytes += part.length
        // A hole needs no zeros: it reads as zeros already. Bytes that former sectors left there must become zeros.
        if (isZero(part)) {
          const old = present.subarray(0, part.length)
          yield setTransfer(step, 'read', sibling.store, sibling.layout.dataOffset + at, old)
          if (isZero(old)) continue
        }
        yield setTransfer(step, 'write', sibling.store, sibling.layout.dataOffset + at, part)
      }
    }
  }
}

/** Plan to allocate, in the sibling's bitmap, the sectors that `planCopyUpData` has written. */
export function* planCopyUpBits(layers: Omit<CopyUpLayers, 'backing'>): Steps {
  const { sibling } = layers
  const step = createTransfer(sibling.store)
  for (const item of walkNeeds(layers)) {
    if ('kind' in item) {
      yield item
      continue
    }
    const { needed, siblingBits, offset } = item
    let first = -1
    let last = -1
    for (let i = 0; i < needed.length; i++) {
      if (needed[i] === 0) continue
      siblingBits[i]! |= needed[i]!
      if (first < 0) first = i
      last = i
    }
    if (first < 0) continue
    const changed = siblingBits.subarray(first, last + 1)
    yield setTransfer(step, 'write', sibling.store, sibling.layout.bitmapOffset + offset + first, changed)
  }
}

/** Walk both bitmaps from start to end, and yield only the pieces with sectors to copy. */
function* walkNeeds({ overlay, sibling }: Omit<CopyUpLayers, 'backing'>): Generator<Step | Needs, void, void> {
  const { bitmapOffset, bitmapLength, sectorCount } = sibling.layout
  const siblingMemory = allocateUnsafe(pieceSize)
  const neededMemory = allocateUnsafe(pieceSize)
  const step = createTransfer(sibling.store)
  const lastByte = Math.floor(sectorCount / 8)
  const lastMask = 2 ** (sectorCount % 8) - 1
  for (const item of walkBitmap(overlay, pieceSize)) {
    if ('kind' in item) {
      yield item
      continue
    }
    const { bits, offset } = item
    const count = Math.min(bits.length, bitmapLength - offset)
    if (count <= 0) return
    if (isZero(bits)) continue
    const siblingBits = siblingMemory.subarray(0, count)
    const needed = neededMemory.subarray(0, count)
    step.position = item.start
    yield setTransfer(step, 'read', sibling.store, bitmapOffset + offset, siblingBits)
    for (let i = 0; i < count; i++) {
      const mask = offset + i === lastByte ? lastMask : 0xff
      needed[i] = (bits[i]! & mask) === 0 ? 0 : ~siblingBits[i]! & mask
    }
    if (!isZero(needed)) yield { needed, siblingBits, offset }
  }
}

/** List the guest bytes to copy, in order. */
function neededRanges({ needed, offset }: Needs, virtualSize: number): [number, number][] {
  const ranges: [number, number][] = []
  forEachSetRun(needed, 0, needed.length * 8, (start, end) => {
    const first = offset * 8
    ranges.push([(first + start) * sectorSize, Math.min(virtualSize, (first + end) * sectorSize)])
    return true
  })
  return ranges
}
