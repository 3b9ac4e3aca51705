import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { isUndoHeader } from '../../formats/cow/index.js'
import { isPlain } from '../../images/image-formats.js'
import { probe } from '../../images/probe.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { fits, type HeaderTargets, headerTargets, type Target } from '../header-targets.js'
import { layerOf } from '../open.js'
import { type Overlay, overlayOf } from '../open-overlay.js'
import { type LocatedFile, resolveBackingPath } from '../resolve-backing.js'
import { assertNotTornAt } from '../rewrite-header.js'
import { directoriesOf, type FoundFile, type WalkLimits, walkFiles } from './walk-files.js'

/** An overlay that shares a backing file with another; its store is closed. */
export interface Sibling extends Omit<Overlay, 'store'> {
  /** Absolute, links resolved. */
  readonly path: Buffer
  /**
   * `fresh`: the kernel would open it. `stale`: its header already disagrees with the backing file. `undo`: umlcow made
   * it to undo a merge.
   */
  readonly state: 'fresh' | 'stale' | 'undo'
}

/** An overlay on another file. */
export interface OtherOverlay extends Omit<Overlay, 'store'> {
  readonly path: Buffer
  /** The files that its header leads to. */
  readonly targets: readonly LocatedFile[]
}

/** A qcow2 image with a backing file. It records no mtime, so only its path tells which file that is. */
export interface Qcow2Sibling {
  readonly path: Buffer
  readonly target: LocatedFile
}

export interface SiblingSearch {
  readonly siblings: readonly Sibling[]
  /** Whatever their backing files are. `qcow2OverlaysOn` picks those on one file. */
  readonly qcow2: readonly Qcow2Sibling[]
  /** Files that may be siblings, and why umlcow cannot be sure. */
  readonly unknown: readonly UnknownFile[]
  readonly others: readonly OtherOverlay[]
}

export interface UnknownFile {
  readonly path: Buffer
  readonly reason: string
}

export const nothingFound: SiblingSearch = { siblings: [], qcow2: [], unknown: [], others: [] }

export interface SiblingSearchOptions {
  /** Directories to search with everything below them, besides those of the overlay and the backing file. */
  readonly siblingsIn?: readonly string[] | undefined
  /** Also resolve the paths in headers inside this directory, as a process in that chroot jail would. */
  readonly backingRoot?: string | undefined
  readonly limits?: WalkLimits | undefined
  readonly signal?: AbortSignal | undefined
}

interface Search {
  readonly files: HostFiles
  readonly overlay: FileFacts
  /** Null: every overlay counts as one on another file. */
  readonly backing: LocatedFile | null
  readonly targets: HeaderTargets
  /** The jail, links resolved. */
  readonly root: Buffer | null
  readonly siblings: Sibling[]
  readonly qcow2: Qcow2Sibling[]
  readonly others: OtherOverlay[]
  readonly unknown: UnknownFile[]
}

/** The length of the magic number. No overlay is shorter. */
const magicLength = 4

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
    root: backingRoot === undefined ? null : await files.realPath(backingRoot),
    siblings: [],
    qcow2: [],
    others: [],
    unknown: [],
  }
  const directories: Buffer[] = []
  for (const path of beside) directories.push(...(await directoriesOf(files, path)))
  const below = (options.siblingsIn ?? []).map((directory) => Buffer.from(directory))
  const onUnknown = (path: Buffer, reason: string) => void search.unknown.push({ path, reason })
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

async function searchFile(search: Search, found: FoundFile): Promise<void> {
  const { facts, path } = found
  if (facts.size < magicLength || isSameFile(facts, search.overlay)) return
  if (search.backing !== null && isSameFile(facts, search.backing.facts)) return
  try {
    const overlay = await readOverlay(search, found)
    if (overlay !== null) await sortOut(search, found, overlay)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    // This process has too many files open. That says nothing about this file.
    if (!(error instanceof UmlcowError) || hasCode(error, 'INTERRUPTED', 'EMFILE', 'ENFILE')) throw error
    search.unknown.push({ path, reason: error.message })
  }
}

/** Read the header of a COW file, and note a qcow2 overlay. @returns null when the file is no COW file */
async function readOverlay({ files, qcow2 }: Search, found: FoundFile): Promise<OtherOverlay | null> {
  const store = await files.open(found.path, 'read')
  try {
    const facts = files.statOpen(store)
    if (!isSameFile(facts, found.facts)) {
      throw new UmlcowError('INPUT_CHANGED', `${store.name}: was replaced while it was looked at`)
    }
    const probed = await probe(store)
    if (isPlain(probed.format)) return null
    if (probed.format === 'qcow2') {
      const { below } = layerOf({ path: found.path, store, facts, ...probed })
      const target = below === null ? null : await targetOfQcow2(files, found, below.path)
      if (target !== null) qcow2.push({ path: found.realPath, target })
      return null
    }
    await assertNotTornAt(files, found.realPath, probed.head)
    const overlay = overlayOf({ path: found.path, store, facts, ...probed })
    return overlay === null ? null : { ...withoutStore(overlay), path: found.realPath, targets: [] }
  } finally {
    await store.close()
  }
}

/** Find the backing file of a qcow2 image, null when the path leads nowhere. QEMU takes the name that it was given. */
async function targetOfQcow2(files: HostFiles, found: FoundFile, path: Uint8Array): Promise<LocatedFile | null> {
  for (const name of [found.path, found.realPath]) {
    const target = await resolveBackingPath(files, name, path, { relativeTo: 'besideOverlay' })
    if (target !== null) return target
  }
  return null
}

function withoutStore({ store: _, ...overlay }: Overlay): Omit<Overlay, 'store'> {
  return overlay
}

/** Find out whose overlay it is. The kernel compares size and mtime; the path may be meant in a jail. */
async function sortOut(search: Search, found: FoundFile, overlay: OtherOverlay): Promise<void> {
  const { backing, siblings, others, unknown } = search
  const { header } = overlay
  const targets = await search.targets.find([found.path, found.realPath], header.backingPath)
  const here = targets.find(({ facts }) => backing !== null && isSameFile(facts, backing.facts))
  const fitting = targets.find((one) => one !== here && fits(header, one.facts))
  const { targets: _, ...rest } = overlay
  if (backing === null || !fits(header, backing.facts)) {
    // The overlay belongs to the file that it fits.
    if (here === undefined || fitting !== undefined) others.push({ ...overlay, targets })
    else siblings.push({ ...rest, state: isUndoHeader(header) ? 'undo' : 'stale' })
    return
  }
  if (targets.some(({ facts }) => isSameFile(facts, search.overlay))) {
    others.push({ ...overlay, targets })
    return
  }
  const isCertain =
    targets.length === 0 || (here !== undefined && (fitting === undefined || isOfJail(search, overlay, here)))
  if (isCertain) siblings.push({ ...rest, state: isUndoHeader(header) ? 'undo' : 'fresh' })
  else unknown.push({ path: overlay.path, reason: doubtOf(header.backingPath, targets, here) })
}

/** Test whether an overlay lies in the jail and its path leads there: then only that file counts. */
function isOfJail({ root }: Search, { path }: OtherOverlay, here: Target): boolean {
  return root !== null && here.inJail && path.indexOf(joinPath(root, '')) === 0
}

function doubtOf(headerPath: Uint8Array, targets: readonly Target[], here: Target | undefined): string {
  const other = targets.find((one) => one !== here)!
  const also = here === undefined ? '' : ' too'
  return (
    'its header has the size and modification time of that file, but its path ' +
    `"${printablePath(headerPath)}" leads to ${printablePath(other.path)}${also}`
  )
}

/** Pick the overlays found whose backing file is this one. This file may itself be an overlay. */
export function overlaysOn(search: SiblingSearch, file: FileFacts): readonly OtherOverlay[] {
  return search.others.filter(({ targets }) => targets.some(({ facts }) => isSameFile(facts, file)))
}

/** Pick the qcow2 overlays found whose backing file is this one. */
export function qcow2OverlaysOn(search: SiblingSearch, file: FileFacts): readonly Qcow2Sibling[] {
  return search.qcow2.filter(({ target }) => isSameFile(target.facts, file))
}
