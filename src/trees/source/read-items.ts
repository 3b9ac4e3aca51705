import type { ManifestEntry } from '../../formats/manifest/index.js'
import { type ChangeTimes, changeBetween } from '../../machine/file-facts.js'
import { treeHostOf } from '../host/tree-host.js'
import { LinkTable } from '../link-table.js'
import { createPace, type Pace } from '../pace.js'
import type { SourceOptions } from '../tree-options.js'
import { changed, type FoundName, isSameInode, walkOpen } from '../walk/walk-open-directories.js'
import { entryOf, located, type SourceItem, type TreeReading } from './tree-source.js'

const pieceSize = 256 * 1024

/**
 * Read a tree as a manifest. It remembers only files with several names.
 *
 * @throws UmlcowError INPUT_CHANGED, and what `reading` throws
 */
export async function* readItems(reading: TreeReading, options: SourceOptions): AsyncGenerator<SourceItem> {
  reading.refuseUnfit?.()
  const { signal } = options
  const pace = createPace({ signal, description: 'reading' })
  const links = new LinkTable()
  const room = Buffer.allocUnsafe(pieceSize)
  const onError = (path: Buffer, error: unknown) => {
    throw located(reading, path, error)
  }
  for (const found of walkOpen(reading.top, { ...reading, reader: treeHostOf(options).reader, onError })) {
    if (pace.step()) await pace.rest()
    yield itemOf(reading, found, links, () => contentOf(reading, found, room, pace))
  }
  // Another run may have begun to change the tree.
  reading.refuseUnfit?.()
}

function itemOf(
  reading: TreeReading,
  found: FoundName,
  links: LinkTable,
  content: () => AsyncIterable<Uint8Array>,
): SourceItem {
  const { device: dev, inode: ino, nlink, type: hostType } = found.facts
  let entry: ManifestEntry
  try {
    entry = entryOf(
      found,
      reading.describe(found),
      links.further(found.facts, () => found.path),
    )
  } catch (error) {
    throw located(reading, found.path, error)
  }
  const hasContent = entry.type === 'file' && entry.hardLinkTo === null
  return { entry, content: hasContent ? content() : null, identity: { dev, ino, nlink }, hostType }
}

/**
 * Read a file, and check that it is the file that the walk found and does not change. The next piece overwrites the
 * memory of the last one.
 */
async function* contentOf(
  reading: TreeReading,
  { path, facts, place, name }: FoundName,
  room: Buffer,
  pace: Pace,
): AsyncGenerator<Uint8Array> {
  try {
    const file = place.open(name)
    try {
      const now = file.facts()
      // Another file may have the inode of a removed one.
      if (!isSameInode(now, facts) || now.type !== 'file') changed('it is another file')
      refuseChange(facts, now)
      for (let offset = 0; offset < facts.size; ) {
        if (pace.step()) await pace.rest()
        const got = file.read(offset, room.subarray(0, Math.min(pieceSize, facts.size - offset)))
        if (got === 0) changed(`it has ${offset} bytes, not ${facts.size}`)
        offset += got
        yield room.subarray(0, got)
      }
      refuseChange(facts, file.facts())
    } finally {
      file.close()
    }
  } catch (error) {
    throw located(reading, path, error)
  }
}

function refuseChange(before: ChangeTimes, after: ChangeTimes): void {
  const change = changeBetween(before, after)
  if (change !== null) changed(`it was ${change}`)
}
