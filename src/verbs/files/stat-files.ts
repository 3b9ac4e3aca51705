import { type ExtExtent, type ExtFileSystem, type ExtFinding, joinExtExtents } from '../../filesystems/ext/index.js'
import type { ExtInode } from '../../formats/ext/index.js'
import type { ExtendedAttribute } from '../../formats/manifest/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { callable, checkedOptions, flag, hostPath, innerPaths, type Rules } from '../../machine/option-rules.js'
import { type FileSystemOptions, fileSystemRules, openFileSystem } from '../../overlays/open-file-system.js'
import { targetOf } from './link-target.js'
import { type LeftOutOptions, lookUpEach } from './look-up-each.js'
import { type OwnerNames, readOwnerNames } from './owner-names.js'

export interface StatFilesOptions extends FileSystemOptions, LeftOutOptions {
  /** Describe what a symbolic link leads to. Default: the link itself */
  readonly followLinks?: boolean | undefined
  /** Read the names of users and groups from the image's own /etc/passwd and /etc/group. */
  readonly ownerNames?: boolean | undefined
  /** Called at the end with what the reader found, such as wrong checksums. */
  readonly onEnd?: ((findings: readonly ExtFinding[]) => void) | undefined
}

const statRules: Rules = {
  ...fileSystemRules,
  followLinks: flag,
  ownerNames: flag,
  onEnd: callable,
  onLeftOut: callable,
}

/** All that a file system says about one file. */
export interface FileStatus {
  /** As the caller gave it. */
  readonly path: Uint8Array
  readonly inode: ExtInode
  /** The target of a symbolic link; null for all else, and when it is encrypted. */
  readonly target: Uint8Array | null
  readonly attributes: readonly ExtendedAttribute[]
  /** The names of its owner and group; null unless the options ask for them and the image has them. */
  readonly user: string | null
  readonly group: string | null
  /** Bytes of a block. */
  readonly blockSize: number
  /** List where its data is, without holes. Only until the iteration goes on to the next file. */
  extents(): AsyncIterable<readonly ExtExtent[]>
}

/**
 * Describe files inside an image, one after the other, as stat(1) does.
 *
 * All paths are looked up before the first is described.
 *
 * @throws UmlcowError FS_NOT_FOUND, FS_DAMAGED, and what opening the image throws
 */
export async function* statFiles(
  image: HostPath | URL,
  paths: readonly (string | Uint8Array)[],
  options: StatFilesOptions = {},
): AsyncGenerator<FileStatus> {
  const checked = checkedOptions(options, statRules)
  const inner = innerPaths('paths', paths)
  await using opened = await openFileSystem(image, checked)
  const { files } = opened
  const found = await lookUpEach(hostPath('image', image), inner, checked, async (path) => {
    return [path, await files.lookup(path, { followLast: checked.followLinks === true })] as const
  })
  const names = checked.ownerNames ? await readOwnerNames(files) : null
  for (const [path, inode] of found) yield await statusOf(files, path, inode, names)
  checked.onEnd?.(files.findings)
}

async function statusOf(
  files: ExtFileSystem,
  path: Uint8Array,
  inode: ExtInode,
  names: OwnerNames | null,
): Promise<FileStatus> {
  return {
    path,
    inode,
    target: inode.type === 'symlink' ? await targetOf(files, inode) : null,
    attributes: inode.hasAttributes ? await files.attributes(inode) : [],
    user: names?.user(inode.uid) ?? null,
    group: names?.group(inode.gid) ?? null,
    blockSize: files.superblock.blockSize,
    extents: () => joinExtExtents(files, inode),
  }
}
