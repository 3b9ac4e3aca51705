import { ceilTo } from '../../bytes/align.js'
import { Gatherer } from '../../bytes/gather.js'
import { type WriteOptions, warnOf } from '../manifest/archive-error.js'
import { gatherContent, wholeContent } from '../manifest/content.js'
import type { ManifestItem } from '../manifest/entry.js'
import { checkEntry } from '../manifest/validate.js'
import { blockSize } from './layout.js'
import { hasHoles, writeSparse } from './sparse/write.js'
import { writeHeader } from './write-header.js'

/**
 * Write a pax archive: ustar headers, and pax records for values that do not fit into them. A file
 * whose content knows its holes becomes a sparse member of GNU tar's version 1.0.
 *
 * The writer leaves out sockets with a warning, as all tools do. The source must skip content that the writer does not
 * read.
 *
 * @throws UmlcowError ENTRY_UNFIT; INPUT_CHANGED when the content of a file has another length than announced
 */
export async function* writeTar(
  items: AsyncIterable<ManifestItem>,
  options: WriteOptions = {},
): AsyncGenerator<Uint8Array> {
  const out = new Gatherer()
  for await (const item of items) {
    const { entry } = item
    checkEntry(entry)
    if (entry.type === 'socket') {
      warnOf(options, entry.path, 'left out: tar archives hold no sockets')
      continue
    }
    const sparse = item.content?.sparse
    if (sparse !== undefined && entry.hardLinkTo === null && hasHoles(sparse, entry.size)) {
      yield* writeSparse(out, entry, sparse)
      continue
    }
    writeHeader(out, entry)
    if (entry.size > 0 && entry.hardLinkTo === null) {
      const whole = wholeContent(item)
      if (whole !== null) out.add(whole)
      else yield* gatherContent(out, item)
      out.addZeros(ceilTo(entry.size, blockSize) - entry.size)
    }
    if (out.hasPieces) yield* out.takePieces()
  }
  out.addZeros(2 * blockSize)
  yield* out.takeAll()
}
