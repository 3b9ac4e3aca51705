import { clearBits, forEachSetRun } from '../bytes/bitmap.js'
import { storedBitmapLength } from '../images/bitmap-reader.js'
import { isSame } from './compare-runs.js'
import type { MergeInputs } from './plan-merge.js'
import type { Steps, Transfer } from './step.js'
import { defaultWindowSize } from './window-size.js'

/** Bytes of bitmap in memory at a time. */
const pieceSize = 64 * 1024

/** Filled in by `planClear`: sectors. */
export interface ClearedSectors {
  cleared: number
  /** Not equal to the backing file's: they stay allocated. */
  kept: number
}

/** Plan to clear the bits of all allocated sectors that equal the backing file's. Data stays where it is. */
export function* planClear(inputs: MergeInputs, result: ClearedSectors): Steps {
  const { overlay, layout } = inputs
  const bits = Buffer.allocUnsafeSlow(pieceSize)
  const buffers = { overlay: Buffer.alloc(0), backing: Buffer.alloc(0) }
  buffers.overlay = Buffer.allocUnsafeSlow(Math.max(defaultWindowSize, inputs.header.sectorSize))
  buffers.backing = Buffer.allocUnsafeSlow(buffers.overlay.length)
  const step: Transfer = { kind: 'read', store: overlay, offset: 0, bytes: bits, position: 0 }
  const length = storedBitmapLength(overlay, layout)
  for (let offset = 0; offset < length; offset += pieceSize) {
    const piece = bits.subarray(0, Math.min(pieceSize, length - offset))
    const before = result.cleared
    yield transfer(step, 'read', overlay, layout.bitmapOffset + offset, piece)
    const firstSector = offset * 8
    const bitCount = Math.min(piece.length * 8, layout.bitCount - firstSector)
    for (const [start, end] of setRuns(piece, bitCount)) {
      yield* clearRun(inputs, { piece, firstSector, start, end }, buffers, step, result)
    }
    if (result.cleared > before) yield transfer(step, 'write', overlay, layout.bitmapOffset + offset, piece)
  }
}

interface Run {
  readonly piece: Buffer
  /** Sector of the piece's first bit. */
  readonly firstSector: number
  /** Bits of the piece, half-open. */
  readonly start: number
  readonly end: number
}

function* clearRun(
  inputs: MergeInputs,
  run: Run,
  buffers: { readonly overlay: Buffer; readonly backing: Buffer },
  step: Transfer,
  result: ClearedSectors,
): Steps {
  const { sectorSize, virtualSize } = inputs.header
  const sectorsAtOnce = buffers.overlay.length / sectorSize
  for (let at = run.start; at < run.end; at += sectorsAtOnce) {
    const end = Math.min(run.end, at + sectorsAtOnce)
    const from = (run.firstSector + at) * sectorSize
    const length = Math.min(virtualSize, (run.firstSector + end) * sectorSize) - from
    step.position = from
    yield transfer(step, 'read', inputs.overlay, inputs.dataOffset + from, buffers.overlay.subarray(0, length))
    yield transfer(step, 'read', inputs.backing, from, buffers.backing.subarray(0, length))
    const same = (start: number, to: number) => isSame(buffers.overlay, buffers.backing, start, Math.min(length, to))
    if (same(0, length)) {
      clearBits(run.piece, at, end)
      result.cleared += end - at
      continue
    }
    for (let bit = at; bit < end; bit++) {
      const isEqual = same((bit - at) * sectorSize, (bit - at + 1) * sectorSize)
      if (isEqual) clearBits(run.piece, bit, bit + 1)
      result[isEqual ? 'cleared' : 'kept']++
    }
  }
}

/** Runs of set bits, each looked for when it is asked for: bits before it may have been cleared meanwhile. */
function* setRuns(bits: Buffer, bitCount: number): Generator<[number, number], void, void> {
  for (let from = 0; from < bitCount; ) {
    let found: [number, number] | null = null
    from = forEachSetRun(bits, from, bitCount, (start, end) => {
      found = [start, end]
      return false
    })
    if (found !== null) yield found
  }
}

function transfer(
  step: Transfer,
  kind: Transfer['kind'],
  store: Transfer['store'],
  offset: number,
  bytes: Buffer,
): Transfer {
  step.kind = kind
  step.store = store
  step.offset = offset
  step.bytes = bytes
  return step
}
