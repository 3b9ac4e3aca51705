import type { FileFacts, HostFiles, HostPath } from '../../machine/host-files.js'
import { headerTargets } from '../header-targets.js'
import type { LocatedFile } from '../resolve-backing.js'
import { type Search, searchFile } from './search-file.js'
import type { SiblingSearch } from './sibling-search.js'
import { directoriesOf, type WalkLimits, walkFiles } from './walk-files.js'

export interface SiblingSearchOptions {
  /** Directories to search with everything below them, besides those of the overlay and the backing file. */
  readonly siblingsIn?: readonly string[] | undefined
  /** Also resolve the paths in headers inside this directory, as a process in that chroot jail would. */
  readonly backingRoot?: string | undefined
  readonly limits?: WalkLimits | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Find the other overlays on a backing file: beside the overlay, beside the backing file, and in further directories.
 *
 * A file counts by its content, not by its name. The search reads only headers.
 */
export function findSiblings(
  files: HostFiles,
  overlay: { readonly path: HostPath; readonly facts: FileFacts },
  backing: LocatedFile,
  options: SiblingSearchOptions,
): Promise<SiblingSearch> {
  return search(files, { overlay: overlay.facts, backing }, [overlay.path, backing.path], options)
}

/** Find all overlays beside these files and in further directories. `overlaysOn` picks those on one backing file. */
export function findOthers(
  files: HostFiles,
  overlay: { readonly facts: FileFacts },
  beside: readonly HostPath[],
  options: SiblingSearchOptions,
): Promise<SiblingSearch> {
  return search(files, { overlay: overlay.facts, backing: null }, beside, options)
}

async function search(
  files: HostFiles,
  sought: Pick<Search, 'overlay' | 'backing'>,
  beside: readonly HostPath[],
  options: SiblingSearchOptions,
): Promise<SiblingSearch> {
  const { backingRoot, signal, limits } = options
  const search: Search = {
    files,
    ...sought,
    targets: headerTargets(files, backingRoot),
    jail: backingRoot === undefined ? null : { path: backingRoot, realPath: await files.realPath(backingRoot) },
    siblings: [],
    qcow2: [],
    others: [],
    unknown: [],
  }
  const directories: Buffer[] = []
  for (const path of beside) directories.push(...(await directoriesOf(files, path)))
  const below = (options.siblingsIn ?? []).map((directory) => Buffer.from(directory))
  const onUnknown = (path: Buffer, reason: string) => void search.unknown.push({ path, reason, isQcow2: false })
  await walkFiles(
    { files, signal, limits, onUnknown, onFile: (found) => searchFile(search, found) },
    directories,
    below,
  )
  const byPath = (a: { path: Buffer }, b: { path: Buffer }) => Buffer.compare(a.path, b.path)
  const { siblings, qcow2, others, unknown } = search
  // The search looks at files in parallel, so the order in which it finds them varies.
  return {
    siblings: siblings.sort(byPath),
    qcow2: qcow2.sort(byPath),
    others: others.sort(byPath),
    unknown: unknown.sort(byPath),
  }
}
