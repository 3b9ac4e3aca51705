import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { isUndoHeader } from '../../formats/cow/index.js'
import { isPlain } from '../../images/image-formats.js'
import { probe } from '../../images/probe.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { fits, type HeaderTargets, type Target } from '../header-targets.js'
import { type Overlay, overlayOf } from '../open-overlay.js'
import type { LocatedFile } from '../resolve-backing.js'
import { assertNotTornAt } from '../rewrite-header.js'
import { type Jail, noteQcow2 } from './note-qcow2.js'
import type { OtherOverlay, Qcow2Sibling, Sibling, UnknownFile } from './sibling-search.js'
import type { FoundFile } from './walk-files.js'

/** A search that is under way. */
export interface Search {
  readonly files: HostFiles
  readonly overlay: FileFacts
  /** Null: every overlay counts as one on another file. */
  readonly backing: LocatedFile | null
  readonly targets: HeaderTargets
  readonly jail: Jail | null
  readonly siblings: Sibling[]
  readonly qcow2: Qcow2Sibling[]
  readonly others: OtherOverlay[]
  readonly unknown: UnknownFile[]
}

/** The length of the magic number. No overlay is shorter. */
const magicLength = 4

/** Look at a file that the walk has found, and note what it is to the search. */
export async function searchFile(search: Search, found: FoundFile): Promise<void> {
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
    search.unknown.push({ path, reason: error.message, isQcow2: false })
  }
}

/** Read the header of a COW file, and note a qcow2 overlay. @returns null when the file is no COW file */
async function readOverlay(search: Search, found: FoundFile): Promise<OtherOverlay | null> {
  const { files } = search
  const store = await files.open(found.path, 'read')
  try {
    const facts = files.statOpen(store)
    if (!isSameFile(facts, found.facts)) {
      throw new UmlcowError('INPUT_CHANGED', `${store.name}: was replaced while it was looked at`)
    }
    const file = { path: found.path, store, facts, ...(await probe(store)) }
    if (isPlain(file.format)) return null
    if (file.format === 'qcow2') {
      await noteQcow2(search, found, file)
      return null
    }
    await assertNotTornAt(files, found.realPath, file.head)
    const overlay = overlayOf(file)
    return overlay === null ? null : { ...withoutStore(overlay), path: found.realPath, targets: [] }
  } finally {
    await store.close()
  }
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
  else unknown.push({ path: overlay.path, reason: doubtOf(header.backingPath, targets, here), isQcow2: false })
}

/** Test whether an overlay lies in the jail and its path leads there: then only that file counts. */
function isOfJail({ jail }: Search, { path }: OtherOverlay, here: Target): boolean {
  return jail !== null && here.inJail && path.indexOf(joinPath(jail.realPath, '')) === 0
}

function doubtOf(headerPath: Uint8Array, targets: readonly Target[], here: Target | undefined): string {
  const other = targets.find((one) => one !== here)!
  const also = here === undefined ? '' : ' too'
  return (
    'its header has the size and modification time of that file, but its path ' +
    `"${printablePath(headerPath)}" leads to ${printablePath(other.path)}${also}`
  )
}
