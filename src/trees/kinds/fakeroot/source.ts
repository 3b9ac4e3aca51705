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

/** The number of a line, after its packed record. */
const lineLength = 4

/** fakeroot stores nodes as files, so these types may replace one another. */
const typesOfFiles = new Set<EntryType>(['file', 'character', 'block', 'fifo', 'socket'])

/**
 * Read a tree as programs in fakeroot see it. The save file identifies files by device and inode, so a record counts for
 * all names of its file. Root owns what the save file does not list.
 *
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE when the save file belongs to another tree, TRUNCATED_ARCHIVE
 */
async function* readFakerootTree(
  source: AsyncIterable<Uint8Array>,
  tree: ContentTree,
  options: ReadOptions,
): AsyncGenerator<ManifestItem> {
  const name = options.name ?? 'fakeroot save file'
  const records = await recordsOf(source, name, options)
  let found = 0
  for await (const item of tree.names()) {
    const record = records.get(inodeKey(item.facts))
    if (record !== null) found++
    yield record === null ? withoutRecord(item) : withRecord(item, unpackRecord(asBuffer(record)), name)
  }
  if (found === 0 && records.size > 0) {
    throw archiveError(
      'BAD_ARCHIVE',
      name,
      'lists no file of the tree: a save file fits only the tree that it was made with, not a copy',
    )
  }
}

/**
 * Read the records by device and inode.
 *
 * @throws UmlcowError BAD_ARCHIVE when two lines disagree on a file
 */
async function recordsOf(source: AsyncIterable<Uint8Array>, name: string, options: ReadOptions): Promise<ByteTable> {
  const records = new ByteTable()
  const value = Buffer.alloc(packedLength + lineLength)
  let line = 0
  for await (const record of readFakeroot(source, options)) {
    const key = inodeKey({ device: record.dev, inode: record.ino })
    packRecord(record, value)
    value.writeUInt32BE(++line, packedLength)
    const other = records.get(key)
    if (other === null) records.add(key, value)
    else if (!asBuffer(other).subarray(0, packedLength).equals(value.subarray(0, packedLength))) {
      const first = asBuffer(other).readUInt32BE(packedLength)
      const file = `dev=${record.dev.toString(16)},ino=${record.ino}`
      throw archiveError('BAD_ARCHIVE', name, `lines ${first} and ${line} disagree on the file ${file}`)
    }
  }
  return records
}

/** Make the entry of a file that fakeroot does not know: root owns it there. */
function withoutRecord({ entry, content }: TreeName): ManifestItem {
  return { entry: { ...entry, uid: 0, gid: 0 }, content }
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
