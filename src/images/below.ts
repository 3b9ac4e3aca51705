import type { Extent } from '../bytes/extents.js'
import type { Image } from './image.js'

/** List the extents of the backing image, one layer down; zeros beyond its end. */
export async function* backingExtents(
  backing: Image,
  piece: { readonly start: number; readonly end: number },
): AsyncGenerator<Extent> {
  const end = Math.min(piece.end, backing.virtualSize)
  if (end > piece.start) {
    for await (const extent of backing.extents(piece.start, end - piece.start)) {
      yield { ...extent, depth: extent.depth + 1 }
    }
  }
  const start = Math.max(piece.start, backing.virtualSize)
  if (start < piece.end) yield { start, length: piece.end - start, depth: 1, data: false, zero: true }
}

/** Read bytes of the backing image; zeros beyond its end. */
export async function readBacking(backing: Image, offset: number, target: Uint8Array): Promise<void> {
  const stored = Math.max(0, Math.min(target.length, backing.virtualSize - offset))
  if (stored > 0) await backing.read(offset, target.subarray(0, stored))
  if (stored < target.length) target.fill(0, stored)
}
