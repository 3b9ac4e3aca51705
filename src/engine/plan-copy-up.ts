import { countSetBits, forEachSetRun } from '../bytes/bitmap.js'
import { allocateUnsafe } from '../bytes/fast.js'
import { isZero } from '../bytes/zeros.js'
import type { Layers, StoredOverlay } from './layers.js'
import { createTransfer, type Step, type Steps, setTransfer } from './step.js'
import { walkBitmap } from './walk-bitmap.js'
import { defaultWindowSize } from './window-size.js'

// Before a merge changes the backing file, each sibling gets the old bytes of every sector that the merge will change
// and that it lacks. Whole groups of 4 KiB are copied: the kernel misreads pages of which it finds only a part in the
// overlay. With sectors of 512 bytes, the only size that siblings may have, a byte of the bitmap is one such group.

const sectorSize = 512

/** Bytes of bitmap in memory at a time. */
const pieceSize = 64 * 1024

/** The overlay is the one that is merged: what it has allocated is going to change in the backing file. */
export interface CopyUpLayers extends Layers {
  readonly sibling: StoredOverlay
}

/** A piece of the bitmaps: which sectors have to be copied, and the sibling's bits before. */
interface Needs {
  readonly needed: Uint8Array
  readonly siblingBits: Uint8Array
  /** Byte of the bitmaps that the piece starts with. */
  readonly offset: number
}

/** Plan to count the bytes that the sibling has to take. */
export function* planCopyUpSize(layers: Omit<CopyUpLayers, 'backing'>, result: { bytes: number }): Steps {
  for (const item of walkNeeds(layers)) {
    if ('kind' in item) yield item
    else result.bytes += countSetBits(item.needed, item.needed.length * 8) * sectorSize
  }
}

/** Plan to write the old bytes into the sibling's data; nothing reads them before `planCopyUpBits` is carried out. */
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
        // A hole that reads as zeros already needs no zeros; what is left there of former sectors has to go.
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

/** Plan to allocate, in the sibling's bitmap, what `planCopyUpData` has written. */
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

/** Walk both bitmaps from start to end; pieces in which nothing is needed are left out. */
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

/** Guest ranges to copy, in order. */
function neededRanges({ needed, offset }: Needs, virtualSize: number): [number, number][] {
  const ranges: [number, number][] = []
  forEachSetRun(needed, 0, needed.length * 8, (start, end) => {
    const first = offset * 8
    ranges.push([(first + start) * sectorSize, Math.min(virtualSize, (first + end) * sectorSize)])
    return true
  })
  return ranges
}
