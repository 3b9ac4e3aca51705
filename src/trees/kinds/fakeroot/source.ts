import { ByteTable } from '../../../bytes/byte-table.js'
import {
  type FileRecord,
  packedLength,
  packRecord,
  readFakeroot,
  unpackRecord,
} from '../../../formats/fakeroot/index.js'
import { archiveError, type ReadOptions, shownPath } from '../../../formats/manifest/archive-error.js'
import type { EntryType, ManifestItem } from '../../../formats/manifest/entry.js'
import { asBuffer } from '../../../machine/path-bytes.js'
import { inodeKey } from '../../link-table.js'
import type { ContentTree, TreeName } from '../../source/content-tree.js'
import type { StreamSource } from '../kind.js'

export const fakerootSource = { needsTree: true, read: readFakerootTree } as const satisfies StreamSource

/** fakeroot stores nodes as files, so these types may replace one another. */
const typesOfFiles = new Set<EntryType>(['file', 'character', 'block', 'fifo', 'socket'])

/**
 * Read a tree as programs in fakeroot see it. The save file identifies files by device and inode.
 *
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE when the save file belongs to another tree, TRUNCATED_ARCHIVE
 */
async function* readFakerootTree(
  source: AsyncIterable<Uint8Array>,
  tree: ContentTree,
  options: ReadOptions,
): AsyncGenerator<ManifestItem> {
  const name = options.name ?? 'fakeroot save file'
  const records = new ByteTable()
  for await (const record of readFakeroot(source, options)) {
    const key = inodeKey({ device: record.dev, inode: record.ino })
    const value = records.get(key) ?? records.add(key, Buffer.alloc(packedLength))
    packRecord(record, asBuffer(value))
  }
  let found = 0
  for await (const item of tree.names()) {
    const record = records.get(inodeKey(item.facts))
    if (record !== null) found++
    yield record === null ? item : withRecord(item, unpackRecord(asBuffer(record)), name)
  }
  if (found === 0 && records.size > 0) {
    throw archiveError(
      'BAD_ARCHIVE',
      name,
      'lists no file of the tree: a save file fits only the tree that it was made with, not a copy',
    )
  }
}

function withRecord({ entry, content }: TreeName, record: FileRecord, name: string): ManifestItem {
  const { type, mode, uid, gid, device } = record
  const isSame = type === entry.type || (typesOfFiles.has(entry.type) && typesOfFiles.has(type))
  if (!isSame) {
    throw archiveError(
      'BAD_ARCHIVE',
      name,
      `calls a ${entry.type} a ${type}: ${shownPath(entry.path)}; it belongs to another tree`,
    )
  }
  const isFile = type === 'file'
  return {
    entry: { ...entry, type, mode, uid, gid, device, size: isFile ? entry.size : 0 },
    content: isFile ? content : null,
  }
}
