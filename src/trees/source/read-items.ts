import type { ManifestEntry } from '../../formats/manifest/index.js'
import { treeHostOf } from '../host/tree-host.js'
import { LinkTable } from '../link-table.js'
import { createPace } from '../pace.js'
import type { SourceOptions } from '../tree-options.js'
import { type FoundName, walkOpen } from '../walk/walk-open-directories.js'
import { FileContent } from './file-content.js'
import {
  entryOf,
  type ItemsOptions,
  located,
  type NameFacts,
  type SourceItem,
  type TreeReading,
} from './tree-source.js'

const pieceSize = 256 * 1024

/**
 * Read a tree as a manifest. It remembers only files with several names.
 *
 * @throws UmlcowError INPUT_CHANGED, and what `reading` throws
 */
export async function* readItems(
  reading: TreeReading,
  options: SourceOptions,
  { onAdvance }: ItemsOptions = {},
): AsyncGenerator<SourceItem> {
  reading.refuseUnfit?.()
  const { signal } = options
  const pace = createPace({ signal, description: 'reading' })
  const links = new LinkTable()
  const describe = reading.describeAgain?.() ?? reading.describe
  const inputs = { reading, pace, room: Buffer.allocUnsafe(pieceSize), onAdvance }
  const onError = (path: Buffer, error: unknown) => {
    throw located(reading, path, error)
  }
  for (const found of walkOpen(reading.top, { ...reading, reader: treeHostOf(options).reader, onError })) {
    if (pace.step()) await pace.rest()
    const entry = entryFor(reading, found, describe, links)
    const { device: dev, inode: ino, nlink, type: hostType } = found.facts
    const hasContent = entry.type === 'file' && entry.hardLinkTo === null
    const content = hasContent ? new FileContent(inputs, found) : null
    yield { entry, content, identity: { dev, ino, nlink }, hostType }
    onAdvance?.(1)
  }
  // Another run may have begun to change the tree.
  reading.refuseUnfit?.()
}

function entryFor(
  reading: TreeReading,
  found: FoundName,
  describe: (found: FoundName) => NameFacts,
  links: LinkTable,
): ManifestEntry {
  try {
    const facts = describe(found)
    return entryOf(
      found,
      facts,
      links.further(found.facts, () => found.path),
    )
  } catch (error) {
    throw located(reading, found.path, error)
  }
}
