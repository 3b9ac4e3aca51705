import type { ImageSink } from '../../src/images/new-image.js'
import type { Qcow2SinkOptions } from '../../src/images/qcow2/qcow2-sink.js'
import type { Dice } from './generate.js'

export interface SinkScene {
  readonly options: Qcow2SinkOptions
  readonly isCompressed: boolean
  /** Bytes of the raw file below, whose path in the header is `below`; null without one. */
  readonly backing: Uint8Array | null
  /** What a guest sees afterwards. */
  readonly content: Uint8Array
  readonly name: string
  /** Give all to the sink, and finish it. */
  fill(sink: ImageSink): Promise<void>
}

type Piece = { readonly kind: 'data' | 'zero'; readonly start: number; readonly end: number }

/** Make random options and content for a sink of qcow2. */
export function makeSinkScene(dice: Dice, { small = false } = {}): SinkScene {
  const clusterSize = 2 ** (9 + dice.below(small ? 4 : dice.below(6) === 0 ? 13 : 8))
  const virtualSize = 512 * (1 + dice.below(Math.min(small ? 500 : 8192, (clusterSize / 512) * 300)))
  const backing = dice.below(2) === 0 ? randomBytes(dice, 512 * (1 + dice.below(virtualSize / 256))) : null
  const content = new Uint8Array(virtualSize)
  if (backing !== null) content.set(backing.subarray(0, virtualSize))
  // With a backing file a sink takes whole clusters only.
  const pieces = choosePieces(dice, virtualSize, backing === null ? 512 : clusterSize)
  for (const { kind, start, end } of pieces) {
    content.set(kind === 'zero' ? new Uint8Array(end - start) : randomBytes(dice, end - start), start)
  }
  const isCompressed = dice.below(2) === 0
  const path = new TextEncoder().encode('below')
  return {
    options: { virtualSize, clusterSize, ...(backing === null ? {} : { backing: { path, format: 'raw' } }) },
    isCompressed,
    backing,
    content,
    name: `${virtualSize} bytes, clusters of ${clusterSize}, ${backing?.length ?? 'no'} below, ${isCompressed ? 'packed' : 'plain'}`,
    async fill(sink) {
      for (const { kind, start, end } of pieces) {
        // A sink may not keep the bytes: give it a copy, and spoil it.
        const bytes = content.slice(start, end)
        await (kind === 'zero' ? sink.zero(start, end - start) : sink.write(start, bytes))
        bytes.fill(0xee)
      }
      await sink.finish()
    },
  }
}

function choosePieces(dice: Dice, virtualSize: number, unit: number): Piece[] {
  const pieces: Piece[] = []
  for (let at = 0; at < virtualSize; ) {
    const end = Math.min(virtualSize, at + unit * (1 + dice.below(dice.below(3) === 0 ? 200 : 6)))
    const kind = dice.below(5)
    if (kind < 4) pieces.push({ kind: kind === 0 ? 'zero' : 'data', start: at, end })
    at = end
  }
  return pieces
}

/** Bytes that compress in part. */
function randomBytes(dice: Dice, length: number): Uint8Array {
  const noise = Uint8Array.from({ length: 1024 }, () => dice.below(256))
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 512) {
    const kind = dice.below(4)
    const end = Math.min(length, at + 512)
    const from = dice.below(512)
    if (kind === 0) bytes.set(noise.subarray(from, from + end - at), at)
    else if (kind < 3) bytes.fill(dice.below(256), at, end)
  }
  return bytes
}
