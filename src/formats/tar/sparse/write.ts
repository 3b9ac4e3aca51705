import { ceilTo } from '../../../bytes/align.js'
import type { Gatherer } from '../../../bytes/gather.js'
import { UmlcowError } from '../../../errors.js'
import { shownPath } from '../../manifest/archive-error.js'
import type { ManifestEntry, SparseBytes } from '../../manifest/entry.js'
import { blockSize } from '../layout.js'
import { writeHeader } from '../write-header.js'
import { mapText, mapTextLength } from './map-text.js'

/** Test whether a content has holes: one without is an ordinary member, which every tar reads. */
export function hasHoles({ stretches }: SparseBytes, size: number): boolean {
  return !(size === 0 || (stretches.length === 2 && stretches[0] === 0 && stretches[1] === size))
}

/**
 * Write a sparse file as a member of version 1.0.
 *
 * @throws UmlcowError INPUT_CHANGED when there is more or less data than the stretches hold
 */
export async function* writeSparse(
  out: Gatherer,
  entry: ManifestEntry,
  { stretches, data }: SparseBytes,
): AsyncGenerator<Uint8Array> {
  const mapLength = mapTextLength(stretches, entry.size)
  const dataSize = totalOf(stretches)
  writeHeader(out, entry, mapLength + dataSize)
  let left = mapLength
  for (const text of mapText(stretches, entry.size)) {
    left -= text.length
    out.add(text)
    if (out.hasPieces) yield* out.takePieces()
  }
  out.addZeros(left)
  left = dataSize
  for await (const bytes of data) {
    left -= bytes.length
    if (left < 0) break
    out.add(bytes)
    if (out.hasPieces) yield* out.takePieces()
  }
  if (left !== 0) throw otherLength(entry, dataSize)
  out.addZeros(ceilTo(dataSize, blockSize) - dataSize)
}

function totalOf(stretches: SparseBytes['stretches']): number {
  let total = 0
  for (let i = 0; i < stretches.length; i += 2) total += stretches[i + 1]! - stretches[i]!
  return total
}

function otherLength({ path }: ManifestEntry, expected: number): UmlcowError {
  const message = `${shownPath(path)}: has more or less data than the ${expected} bytes outside its holes`
  return new UmlcowError('INPUT_CHANGED', message, { details: { expected } })
}
