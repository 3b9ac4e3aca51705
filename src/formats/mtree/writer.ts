import { latin1Bytes, utf8Bytes } from '../../bytes/fast.js'
import { gatherBytes } from '../../bytes/gather.js'
import { type WriteOptions, warnOf } from '../manifest/archive-error.js'
import type { EntryType, ManifestEntry } from '../manifest/entry.js'
import { LinkNumbers } from '../manifest/link-numbers.js'
import { splitTime } from '../manifest/time.js'
import { checkEntry } from '../manifest/validate.js'
import { escapeName } from './text.js'

const typeNames: Readonly<Record<EntryType, string>> = {
  file: 'file',
  directory: 'dir',
  symlink: 'link',
  character: 'char',
  block: 'block',
  fifo: 'fifo',
  socket: 'socket',
}

export interface MtreeOptions extends WriteOptions {
  /**
   * True when the tree that bsdtar takes content from has another type under this name. bsdtar stops at such a name,
   * unless the line sends it to a place where nothing can be.
   */
  readonly isOtherInTree?: ((entry: ManifestEntry) => boolean) | undefined
}

/**
 * Write mtree text, one line an entry. The format cannot hold extended attributes: they are lost, with a warning.
 *
 * All names of one file have the same `inode`, a number without any other meaning, and `nlink` where it is known.
 * bsdtar accepts both. A file that is known to have one name has neither.
 *
 * @throws UmlcowError ENTRY_UNFIT
 * @see    mtree(5) of libarchive
 */
export function writeMtree(
  entries: AsyncIterable<ManifestEntry>,
  options: MtreeOptions = {},
): AsyncGenerator<Uint8Array> {
  return gatherBytes(lines(entries, options))
}

async function* lines(entries: AsyncIterable<ManifestEntry>, options: MtreeOptions): AsyncGenerator<Uint8Array> {
  const links = new LinkNumbers()
  yield utf8Bytes('#mtree\n')
  for await (const entry of entries) {
    checkEntry(entry)
    if ((entry.xattrs?.length ?? 0) > 0) warnOf(options, entry.path, 'mtree text holds no extended attributes')
    const words = [pathText(entry), ...keywords(entry), ...linkKeywords(entry, links)]
    if (options.isOtherInTree?.(entry)) words.push(`contents=${pathText(entry)}/`)
    yield latin1Bytes(`${words.join(' ')}\n`)
  }
}

/** Format a path. A slash in every name but the top's makes it a path from the top, wherever the line stands. */
function pathText({ path }: ManifestEntry): string {
  return path.length === 0 ? '.' : `./${escapeName(path)}`
}

function keywords({ type, mode, uid, gid, size, mtimeNs, device, linkTarget }: ManifestEntry): string[] {
  const { seconds, nanoseconds } = splitTime(mtimeNs)
  // The part after the point is a number of nanoseconds. With nine digits it means the same as a fraction.
  const words = [`type=${typeNames[type]}`, `mode=${mode.toString(8)}`, `uid=${uid}`, `gid=${gid}`]
  words.push(`time=${seconds}.${String(nanoseconds).padStart(9, '0')}`)
  if (type === 'file') words.push(`size=${size}`)
  if (device !== null) words.push(`device=native,${device.major},${device.minor}`)
  if (linkTarget !== null) words.push(`link=${escapeName(linkTarget)}`)
  return words
}

function linkKeywords(entry: ManifestEntry, links: LinkNumbers): string[] {
  const { inode, linkCount } = links.numberOf(entry)
  if (entry.type === 'directory' || linkCount === 1) return []
  return linkCount === null ? [`inode=${inode}`] : [`nlink=${linkCount}`, `inode=${inode}`]
}
