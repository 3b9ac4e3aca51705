import { printablePath } from '../../../../bytes/escape.js'
import type { OverlayCounts } from '../../../../engine/plan-count.js'
import { hasCode } from '../../../../errors.js'
import { isPlain } from '../../../../images/image-formats.js'
import type { Finding } from '../../../../machine/findings.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../../../../machine/host-files.js'
import { shellQuote } from '../../../../machine/shell-quote.js'
import { findWriteProtected } from '../../../../machine/write-protection.js'
import { countOverlay } from '../../../../overlays/count-allocated.js'
import { inspectBacking, withForeignHint } from '../../../../overlays/inspect-backing.js'
import { lookInto } from '../../../../overlays/open.js'
import type { Overlay } from '../../../../overlays/open-overlay.js'
import { type LocatedFile, resolveBackingPath } from '../../../../overlays/resolve-backing.js'
import { findSiblings } from '../../../../overlays/siblings/find-siblings.js'
import type { Sibling, SiblingSearch } from '../../../../overlays/siblings/sibling-search.js'
import { findMergeAround } from '../../../../overlays/unfinished/find-merge-around.js'
import { unfinishedFindings } from '../../../../overlays/unfinished/unfinished-merge.js'
import type { InPlaceOptions } from '../options.js'
import { findLongNames } from './find-long-names.js'
import { findRoom } from './find-room.js'
import { findUsersOf } from './find-users.js'
import { findChainTrouble, findSiblingTrouble, findUnfit } from './sibling-trouble.js'

/** The files of a merge in place and the facts about them. The survey changes nothing. */
export interface SurveyedMerge {
  /** Open. Its path is absolute, with links resolved. */
  readonly overlay: Overlay & { readonly path: Buffer }
  readonly backing: LocatedFile
  /** The path in the overlay's header leads to the backing file. */
  readonly leadsToBacking: boolean
  readonly search: SiblingSearch
  /** The siblings that the merge keeps whole. */
  readonly kept: readonly Sibling[]
  /** Zeros when the merge is refused anyway. */
  readonly counts: OverlayCounts
  /** Messages about what the survey could not check. */
  readonly notes: readonly string[]
}

/**
 * Find every reason to refuse a merge in place.
 *
 * @returns the findings, and the merge; the merge is null without a backing file, and the findings then say so
 */
export async function survey(
  files: HostFiles,
  overlay: Overlay,
  options: InPlaceOptions,
): Promise<{ findings: readonly Finding[]; merge: SurveyedMerge | null }> {
  const inspection = await inspectBacking(files, overlay, options)
  const explained = await withForeignHint(files, inspection.findings, inspection.located)
  const findings = explained.map((finding) => withRebaseHint(withoutSizeForce(finding), overlay))
  const backing = inspection.located
  findings.push(...findOverlayKind(overlay), ...(await findOwnMerge(files, overlay.path, findings, options)))
  if (backing === null) {
    findings.push(...(await findUsersOf(files, [overlay], options.signal)))
    return { findings, merge: null }
  }
  const search = await findSiblings(files, overlay, backing, options)
  const kept = options.keepSiblings ? search.siblings.filter(({ state }) => state === 'fresh') : []
  const leadsToBacking = await leadsTo(files, overlay, backing.facts, options)
  findings.push(...(await findUsersOf(files, [overlay, backing, ...kept], options.signal)))
  findings.push(...findSiblingTrouble(search, backing, options), ...(await findUnfit(overlay, kept, options)))
  findings.push(...(await findLongNames(files, overlay, backing, options)))
  findings.push(...findChainTrouble(overlay, search, options))
  findings.push(...findOwnership(files, backing), ...(await findCow(files, backing)))
  const written = [backing, ...kept].filter(({ facts }) => facts.kind === 'file').map(({ path }) => path)
  findings.push(...(await findWriteProtected(files, written)))
  if (!leadsToBacking && options.afterwards === 'reset') findings.push(otherBacking(overlay, backing))
  const found = { ...overlay, path: await files.realPath(overlay.path) }
  const merge = { overlay: found, backing, leadsToBacking, search, kept, counts: notCounted, notes: inspection.notes }
  // Counting takes long: skip it for a merge that is refused anyway.
  const isRefused = findings.some(({ force }) => force === undefined || !options.force?.includes(force))
  if (isRefused) return { findings, merge }
  const counts = await countOverlay(overlay, options.signal)
  findings.push(...(await findRoom(files, { overlay, backing, kept }, counts, options)))
  return { findings, merge: { ...merge, counts } }
}

const notCounted: OverlayCounts = { allocatedSectors: 0, touchedLength: 0 }

/** A merge in place takes the file that the header names: -b does not help where that file is missing. */
function withRebaseHint(finding: Finding, { path }: Overlay): Finding {
  if (finding.code !== 'BACKING_MISSING') return finding
  return { ...finding, hint: `say where it is now: umlcow rebase -u -b FILE ${shellQuote(path)}` }
}

/** Make a wrong size a finding that no force overrides: sectors would lie beyond the end of the backing file. */
function withoutSizeForce(finding: Finding): Finding {
  if (finding.force !== 'size') return finding
  const { force: _, ...rest } = finding
  return rest
}

function findOverlayKind(overlay: Overlay): Finding[] {
  if (overlay.facts.kind === 'file') return []
  const message = `${printablePath(overlay.path)}: is a block device; merge it into a new file instead`
  return [{ code: 'NOT_A_FILE', message }]
}

/** Find an unfinished merge of the overlay, or one that keeps it. Skip one that `known` reports already. */
async function findOwnMerge(
  files: HostFiles,
  path: HostPath,
  known: readonly Finding[],
  options: InPlaceOptions,
): Promise<Finding[]> {
  const found = await unfinishedFindings((...of) => findMergeAround(...of, options), files, path)
  return found.filter(({ message }) => known.every((one) => one.message !== message))
}

async function leadsTo(
  files: HostFiles,
  overlay: Overlay,
  facts: FileFacts,
  options: InPlaceOptions,
): Promise<boolean> {
  try {
    const located = await resolveBackingPath(files, overlay.path, overlay.header.backingPath, options)
    return located !== null && isSameFile(located.facts, facts)
  } catch (error) {
    // The path leads to two files or to an unreadable place. Throw a disk error: else the header would stay old.
    if (hasCode(error, 'BACKING_AMBIGUOUS', 'BACKING_OUTSIDE_ROOT', 'EACCES', 'ELOOP', 'DEVICE_SIZE')) return false
    throw error
  }
}

function findOwnership(files: HostFiles, { path, facts }: LocatedFile): Finding[] {
  const { uid } = files.user()
  if (facts.kind === 'blockDevice' || uid === 0 || uid === facts.owner) return []
  const message = `${printablePath(path)}: belongs to user ${facts.owner}; only its owner or root may set its modification time`
  return [{ code: 'NOT_OWNER', message }]
}

async function findCow(files: HostFiles, backing: LocatedFile): Promise<Finding[]> {
  if (backing.facts.kind !== 'file' && backing.facts.kind !== 'blockDevice') return []
  if (await lookInto(files, backing.path, ({ format }) => isPlain(format))) return []
  const message = `${printablePath(backing.path)}: is itself a COW file; such chains cannot be merged in place`
  return [{ code: 'BACKING_IS_COW', message, hint: 'merge into a new file with --chain' }]
}

function otherBacking(overlay: Overlay, backing: LocatedFile): Finding {
  return {
    code: 'BACKING_OTHER',
    message: `${printablePath(overlay.path)}: its header does not lead to ${printablePath(backing.path)}, so it cannot be emptied: over its own backing file it would lose its changes`,
  }
}
