import { ceilTo } from '../../bytes/align.js'
import { allocate } from '../../bytes/fast.js'
import { gatherBytes } from '../../bytes/gather.js'
import { unfit, type WriteOptions, warnOf } from '../manifest/archive-error.js'
import { exactContent } from '../manifest/content.js'
import type { ManifestEntry, ManifestItem } from '../manifest/entry.js'
import { checkEntry } from '../manifest/validate.js'
import { blockSize } from './layout.js'
import { serializeMember } from './write-header.js'

/**
 * A pax archive: ustar headers, and pax records for what does not fit into them.
 *
 * Sockets are left out with a warning, as all tools do. What is unread of the content of left out items is for the
 * source to skip.
 *
 * @throws UmlcowError ENTRY_UNFIT, INPUT_CHANGED when content is not as long as announced
 */
export function writeTar(items: AsyncIterable<ManifestItem>, options: WriteOptions = {}): AsyncGenerator<Uint8Array> {
  return gatherBytes(members(items, options))
}

async function* members(items: AsyncIterable<ManifestItem>, options: WriteOptions): AsyncGenerator<Uint8Array> {
  for await (const item of items) {
    const { entry } = item
    checkTarEntry(entry)
    if (entry.type === 'socket') {
      warnOf(options, entry.path, 'left out: tar archives hold no sockets')
      continue
    }
    yield serializeMember(entry)
    if (entry.size === 0 || entry.hardLinkTo !== null) continue
    yield* exactContent(item)
    yield allocate(ceilTo(entry.size, blockSize) - entry.size)
  }
  yield allocate(2 * blockSize)
}

/** @throws UmlcowError ENTRY_UNFIT when tar cannot hold it. What it leaves out is no failure. */
export function checkTarEntry(entry: ManifestEntry): void {
  checkEntry(entry)
  // An equals sign ends the keyword of a record.
  for (const { name } of entry.xattrs ?? []) {
    if (name.includes(0x3d)) throw unfit(entry.path, 'tar holds no extended attribute with "=" in its name')
  }
}
