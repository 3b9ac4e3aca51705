import { countSetBits, forEachSetRun } from '../bytes/bitmap.js'
import { isZero } from '../bytes/zeros.js'
import type { CowLayout } from '../formats/cow/index.js'
import type { BlockStore } from '../stores/block-store.js'
import { bitmapPieces } from './bitmap-pieces.js'
import type { Step, Steps, Transfer } from './step.js'
import { defaultWindowSize } from './window-size.js'

// Before a merge changes the backing file, each sibling gets the old bytes of every sector that the merge will change
// and that it lacks. Whole groups of 4 KiB are copied: the kernel misreads pages of which it finds only a part in the
// overlay. With sectors of 512 bytes, the only size that siblings may have, a byte of the bitmap is one such group.

const sectorSize = 512
const groupSize = 8 * sectorSize

/** Bytes of bitmap in memory at a time. */
const pieceSize = 64 * 1024

export interface BitmapOwner {
  readonly store: BlockStore
  readonly layout: CowLayout
}

export interface CopyUpInputs {
  /** The overlay that is merged: what it has allocated is going to change. */
  readonly overlay: BitmapOwner
  readonly sibling: BitmapOwner
  readonly backing: BlockStore
  readonly virtualSize: number
}

/** A piece of the bitmaps: which sectors have to be copied, and the sibling's bits before. */
interface Needs {
  readonly needed: Uint8Array
  readonly siblingBits: Uint8Array
  /** Byte of the bitmaps that the piece starts with. */
  readonly offset: number
}

/** Plan to count the bytes that the sibling has to take. */
export function* planCopyUpSize(inputs: CopyUpInputs, result: { bytes: number }): Steps {
  for (const item of planNeeds(inputs)) {
    if ('kind' in item) yield item
    else result.bytes += countSetBits(item.needed, item.needed.length * 8) * sectorSize
  }
}

/** Plan to write the old bytes into the sibling's data; nothing reads them before `planCopyUpBits` is carried out. */
export function* planCopyUpData(inputs: CopyUpInputs, result: { bytes: number }): Steps {
  const { sibling, backing, virtualSize } = inputs
  const bytes = Buffer.allocUnsafeSlow(defaultWindowSize)
  const present = Buffer.allocUnsafeSlow(defaultWindowSize)
  const step: Transfer = { kind: 'read', store: backing, offset: 0, bytes, position: 0 }
  for (const item of planNeeds(inputs)) {
    if ('kind' in item) {
      yield item
      continue
    }
    for (const [start, end] of neededRanges(item, virtualSize)) {
      for (let at = start; at < end; at += bytes.length) {
        const part = bytes.subarray(0, Math.min(bytes.length, end - at))
        step.position = at
        yield transfer(step, 'read', backing, at, part)
        result.bytes += part.length
        // A hole that reads as zeros already needs no zeros; what is left there of former sectors has to go.
        if (isZero(part)) {
          const old = present.subarray(0, part.length)
          yield transfer(step, 'read', sibling.store, sibling.layout.dataOffset + at, old)
          if (isZero(old)) continue
        }
        yield transfer(step, 'write', sibling.store, sibling.layout.dataOffset + at, part)
      }
    }
  }
}

/** Plan to allocate, in the sibling's bitmap, what `planCopyUpData` has written. */
export function* planCopyUpBits(inputs: CopyUpInputs): Steps {
  const { sibling } = inputs
  const step: Transfer = { kind: 'write', store: sibling.store, offset: 0, bytes: new Uint8Array(0), position: 0 }
  for (const item of planNeeds(inputs)) {
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
    yield transfer(step, 'write', sibling.store, sibling.layout.bitmapOffset + offset + first, changed)
  }
}

/** Both bitmaps from start to end; pieces in which nothing is needed are left out. */
function* planNeeds(inputs: CopyUpInputs): Generator<Step | Needs, void, void> {
  const { overlay, sibling } = inputs
  const overlayBits = Buffer.allocUnsafeSlow(pieceSize)
  const siblingBits = Buffer.allocUnsafeSlow(pieceSize)
  const needed = Buffer.allocUnsafeSlow(pieceSize)
  const step: Transfer = { kind: 'read', store: overlay.store, offset: 0, bytes: overlayBits, position: 0 }
  const pieces = bitmapPieces(overlay.store, overlay.layout, pieceSize)
  const length = Math.min(pieces.length, sibling.layout.bitmapLength)
  const lastByte = Math.floor(sibling.layout.sectorCount / 8)
  const lastMask = 2 ** (sibling.layout.sectorCount % 8) - 1
  for (let offset = yield* pieces.next(0); offset < length; offset = yield* pieces.next(offset + pieceSize)) {
    const count = Math.min(pieceSize, length - offset)
    step.position = offset * groupSize
    yield transfer(step, 'read', overlay.store, overlay.layout.bitmapOffset + offset, overlayBits.subarray(0, count))
    if (isZero(step.bytes)) continue
    yield transfer(step, 'read', sibling.store, sibling.layout.bitmapOffset + offset, siblingBits.subarray(0, count))
    for (let i = 0; i < count; i++) {
      const mask = offset + i === lastByte ? lastMask : 0xff
      needed[i] = (overlayBits[i]! & mask) === 0 ? 0 : ~siblingBits[i]! & mask
    }
    const piece = { needed: needed.subarray(0, count), siblingBits: siblingBits.subarray(0, count), offset }
    if (!isZero(piece.needed)) yield piece
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

function transfer(
  step: Transfer,
  kind: Transfer['kind'],
  store: BlockStore,
  offset: number,
  bytes: Uint8Array,
): Transfer {
  step.kind = kind
  step.store = store
  step.offset = offset
  step.bytes = bytes
  return step
}
