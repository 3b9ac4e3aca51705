import type { ExtFinding } from '../../filesystems/ext/index.js'
import type { HostPath } from '../../machine/host-files.js'
import {
  callable,
  checkedOptions,
  flag,
  hostPath,
  innerPath,
  listOf,
  oneOf,
  type Rules,
  timePoint,
} from '../../machine/option-rules.js'
import { closeOnFailure } from '../../overlays/open.js'
import { type FileSystemOptions, fileSystemRules, openFileSystem } from '../../overlays/open-file-system.js'
import type { Arrangement } from './arrange.js'
import { type FileConditions, makeFilter } from './file-filter.js'
import { type ListedDirectory, listDirectories, lookUpTops } from './list-directories.js'
import type { LeftOutOptions } from './look-up-each.js'
import { type OwnerNames, readOwnerNames } from './owner-names.js'

export interface ListFilesOptions extends FileSystemOptions, FileConditions, Arrangement, LeftOutOptions {
  /** What to list: paths from the root directory of the file system. Default: the root directory */
  readonly paths?: readonly (string | Uint8Array)[] | undefined
  /** List all directories below, too. */
  readonly recursive?: boolean | undefined
  /** List directories themselves, not what they hold. */
  readonly directoriesAsFiles?: boolean | undefined
  /** Read the targets of symbolic links, and the ACLs. A path that is a link then stands for the link itself. */
  readonly details?: boolean | undefined
  /** Read the names of users and groups from the image's own /etc/passwd and /etc/group. */
  readonly ownerNames?: boolean | undefined
}

const types = ['file', 'directory', 'symlink', 'character', 'block', 'fifo', 'socket']

const listRules: Rules = {
  ...fileSystemRules,
  paths: listOf(innerPath),
  recursive: flag,
  directoriesAsFiles: flag,
  details: flag,
  ownerNames: flag,
  hidden: oneOf(['none', 'almost-all', 'all']),
  sort: oneOf(['name', 'size', 'time']),
  reverse: flag,
  types: listOf(oneOf(types)),
  pattern: innerPath,
  newer: timePoint,
  newerThan: innerPath,
  onLeftOut: callable,
}

/** The listing of an image. Close it when done. */
export interface FileListing extends AsyncDisposable {
  /** First the paths that are no directories, if there are any. Iterate them once only. */
  readonly directories: AsyncIterable<ListedDirectory>
  /** Null unless the options ask for them. */
  readonly ownerNames: OwnerNames | null
  /** What the reader found, such as wrong checksums. The list grows while the directories are read. */
  readonly findings: readonly ExtFinding[]
  close(): Promise<void>
}

/**
 * List files inside an image, as ls does: no root, no mount.
 *
 * All paths are looked up before the first directory is read.
 *
 * @throws UmlcowError FS_NOT_FOUND, FS_DAMAGED, and what opening the image throws
 */
export async function listFiles(image: HostPath | URL, options: ListFilesOptions = {}): Promise<FileListing> {
  const checked = checkedOptions(options, listRules)
  const opened = await openFileSystem(image, checked)
  return closeOnFailure(opened, async () => {
    const { files } = opened
    const filter = await makeFilter(files, checked)
    const tops = await lookUpTops(files, hostPath('image', image), checked)
    const ownerNames = checked.ownerNames ? await readOwnerNames(files) : null
    const close = () => opened.close()
    const directories = listDirectories(files, tops, filter, checked)
    return { directories, ownerNames, findings: files.findings, close, [Symbol.asyncDispose]: close }
  })
}
