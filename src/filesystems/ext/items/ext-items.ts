import { type ExtInode, extInodeFlags, hasBit } from '../../../formats/ext/index.js'
import type { ExtendedAttribute, ManifestEntry, ManifestItem } from '../../../formats/manifest/entry.js'
import type { ExtFileSystem } from '../ext-file-system.js'
import { ExtContents, type ExtReading } from './content.js'
import { type ExtFile, walkExtFiles } from './walk-files.js'

/** Why an item is left out. `repeated`: its directory has the name twice. */
export type ExtOmission = 'encrypted' | 'damaged' | 'repeated'

/** How to read files as a manifest. */
export interface ExtItemsOptions extends ExtReading {
  /** False: nothing will read the content of most files. Default: true */
  readonly content?: boolean | undefined
  /** Is called for each file that is left out, and for an encrypted directory, whose content is. */
  readonly onOmitted?: ((path: Uint8Array, why: ExtOmission) => void) | undefined
}

/** An item of a manifest, and the inode that it comes from. */
export interface ExtItem extends ManifestItem {
  readonly inode: ExtInode
}

/**
 * Read files, and all that lies below them, as a manifest: with owners, devices, hard links, times, extended attributes
 * and holes as the file system has them. It remembers only files with several names.
 *
 * @param tops  files with their paths in the manifest; the path of a directory may be empty
 * @throws      UmlcowError FS_DAMAGED
 */
export async function* extItems(
  files: ExtFileSystem,
  tops: readonly ExtFile[],
  { content = true, onOmitted, ...reading }: ExtItemsOptions = {},
): AsyncGenerator<ExtItem> {
  const contents = new ExtContents(files, reading)
  const links = new FirstPaths()
  for await (const batch of walkExtFiles(files, tops, (path) => onOmitted?.(path, 'repeated'))) {
    for (const { path, inode } of batch) {
      const pause = reading.pause?.()
      if (pause !== undefined) await pause
      const omission = omissionOf(inode)
      if (omission !== null) onOmitted?.(path, omission)
      if (omission !== null && inode.type !== 'directory') continue
      const entry = await entryOf(files, path, inode, links.further(path, inode))
      if (entry === null) {
        onOmitted?.(path, 'damaged')
        continue
      }
      const hasContent = inode.type === 'file' && entry.hardLinkTo === null
      if (!hasContent) yield { entry, content: null, inode }
      else yield { entry, content: content ? await contents.of(inode) : contents.unread(inode), inode }
    }
  }
}

function omissionOf({ type, flags }: ExtInode): ExtOmission | null {
  if (type === null) return 'damaged'
  const canBeEncrypted = type === 'file' || type === 'directory' || type === 'symlink'
  return canBeEncrypted && hasBit(flags, extInodeFlags.encrypted) ? 'encrypted' : null
}

/** Describe a file; null when its link has a target that no link can have. */
async function entryOf(
  files: ExtFileSystem,
  path: Uint8Array,
  inode: ExtInode,
  hardLinkTo: Uint8Array | null,
): Promise<ManifestEntry | null> {
  const { mode, uid, gid, device, mtime } = inode
  const type = inode.type!
  const linkTarget = type === 'symlink' ? await files.readLink(inode) : null
  if (linkTarget?.includes(0)) return null
  // Each field by its name: in Node 20, a spread of an object takes ten times as long.
  return {
    path,
    type,
    mode,
    uid,
    gid,
    device,
    linkTarget,
    hardLinkTo,
    size: type === 'file' ? inode.size : 0,
    mtimeNs: BigInt(mtime.seconds) * 1_000_000_000n + BigInt(mtime.nanoseconds),
    xattrs: inode.hasAttributes ? await files.attributes(inode) : none,
    // Of a directory, the links are those of the directories in it.
    linkCount: type === 'directory' ? undefined : Math.max(1, inode.linkCount),
  }
}

const none: readonly ExtendedAttribute[] = []

/** Finds the names of the same file. It forgets a file when all its names have come. */
class FirstPaths {
  private readonly known = new Map<number, { readonly path: Uint8Array; left: number }>()

  /** Record a name. @returns  the first name of the file; null for the first name itself */
  further(path: Uint8Array, { number, type, linkCount }: ExtInode): Uint8Array | null {
    if (type === 'directory' || linkCount < 2) return null
    const first = this.known.get(number)
    if (first === undefined) {
      this.known.set(number, { path, left: linkCount - 1 })
      return null
    }
    first.left--
    if (first.left === 0) this.known.delete(number)
    return first.path
  }
}
