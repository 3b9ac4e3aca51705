import { printablePath } from '../../bytes/escape.js'
import { countAllocated } from '../../engine/count-allocated.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { lockFiles } from '../../host/file-locks.js'
import { type ForceWord, refuseUnlessForced } from '../../host/guard.js'
import { type HostFiles, isSameFile, localHostFiles } from '../../host/host-files.js'
import {
  headerDigest,
  isPinned,
  type MergeJournal,
  markerPathOf,
  type PinnedFile,
  type PinnedOverlay,
} from '../../host/merge-journal.js'
import { type InputFile, type Overlay, openInput, openOverlay } from '../../host/open-overlay.js'
import { thisProcess } from '../../host/process-identity.js'
import type { HostLock } from '../../host/process-lock.js'
import { findSiblings, type Sibling, type SiblingSearch } from '../../host/siblings.js'
import { findUnfinishedMerge, type UnfinishedMerge, unfinishedFinding } from '../../host/unfinished-merge.js'
import { refuseTruncated } from '../merge-guard.js'
import type { OperationOptions } from '../operation.js'
import { findUsersOf } from './find-users.js'
import { outcomeOf, withResumeHint } from './merge-in-place.js'
import { chooseMtimes } from './mtimes.js'
import type { InPlaceResult } from './options.js'
import { type ProtocolStep, protocol, runProtocol } from './protocol.js'
import { removeJournal } from './steps.js'
import type { InPlaceWork } from './work.js'

export interface ResumeOptions extends OperationOptions {
  /** Directories to look for siblings in, for those that have moved. */
  readonly siblingsIn?: readonly string[] | undefined
  /** `in-use`; `journal`: the process that began the merge has ended, although that cannot be told from here. */
  readonly force?: readonly ForceWord[] | undefined
}

/** An unfinished merge whose files are locked, and opened where they are there. */
export interface TakenUp {
  readonly files: HostFiles
  readonly merge: UnfinishedMerge & { readonly journal: MergeJournal }
  readonly markerPath: Buffer
  /** The overlay carries the new mtime, or is gone as was wanted: only the journal is left to remove. */
  readonly isCommitted: boolean
  /** Null when it is gone. */
  readonly overlay: (Overlay & { readonly path: Buffer }) | null
  readonly backing: InputFile & { readonly path: Buffer }
  close(): Promise<void>
}

/**
 * Finish a merge in place that was cut short.
 *
 * @param path  of the overlay or of the backing file
 * @throws      UmlcowError NOTHING_UNFINISHED, UNFINISHED_MERGE when it still runs, JOURNAL_…, IN_USE, and as `mergeInPlace`
 */
export function resumeMerge(path: string, options: ResumeOptions = {}): Promise<InPlaceResult> {
  return resumeBySteps(path, options, protocol)
}

/** The same by other steps: a test leaves some out. */
export async function resumeBySteps(
  path: string,
  options: ResumeOptions,
  steps: readonly ProtocolStep[],
): Promise<InPlaceResult> {
  const files = options.files ?? localHostFiles
  const taken = await takeUp(files, path, options)
  try {
    const { journal } = taken.merge
    if (journal.phase === 'abandoning') {
      const { code, message, hint } = unfinishedFinding(taken.merge)
      throw new UmlcowError(code, `${message}, and was being abandoned`, { hint })
    }
    if (taken.isCommitted || taken.overlay === null) {
      await removeJournal({ files, markerPath: taken.markerPath, journalPath: taken.merge.journalPath })
      return describe(taken, options)
    }
    const { work, warnings } = await makeWork(taken, taken.overlay, options)
    try {
      await runProtocol(work, steps)
    } catch (error) {
      throw await withResumeHint(work, error)
    }
    const result = await describe(taken, options)
    return { ...result, ...outcomeOf(work), warnings: [...warnings, ...work.warnings] }
  } finally {
    await taken.close()
  }
}

/** Find, lock and open. @throws UmlcowError NOTHING_UNFINISHED, UNFINISHED_MERGE, JOURNAL_…, IN_USE */
export async function takeUp(files: HostFiles, path: string, options: ResumeOptions): Promise<TakenUp> {
  const early = await findStopped(files, path, options)
  const opened: { store: { close(): Promise<void> } }[] = []
  const locks: HostLock[] = []
  const close = async () => {
    for (const one of opened) await one.store.close()
    for (const lock of locks) await lock.release()
  }
  try {
    const { journal } = early
    const backingFacts = await files.stat(journal.backing.path)
    locks.push(await lockFiles(files, [{ path: journal.backing.path, facts: backingFacts }]))
    const overlayFacts = await files.lstatOrNull(journal.overlay.path)
    if (overlayFacts !== null) {
      locks.push(await lockFiles(files, [{ path: journal.overlay.path, facts: overlayFacts }]))
    }
    // Another umlcow may have been at it until the locks were ours.
    const merge = await findStopped(files, path, options)
    const backing = { ...(await openInput(files, journal.backing.path, 'readWrite')), path: journal.backing.path }
    opened.push(backing)
    refuseOther(backing, merge.journal, merge.journal.backing, backing.facts.size === merge.journal.backing.size)
    const overlay = overlayFacts === null ? null : await openPinned(files, merge.journal)
    if (overlay !== null) opened.push(overlay)
    if (overlay === null && merge.journal.afterwards !== 'delete') throw overlayGone(merge.journal)
    const isFile = backing.facts.kind === 'file'
    const markerPath = isFile
      ? await markerPathOf(files, backing.path)
      : Buffer.concat([merge.journal.overlay.path, Buffer.from('.umlcow-merging')])
    const isCommitted = overlay === null || overlay.header.mtime !== merge.journal.overlay.mtime
    return { files, merge, markerPath, isCommitted, overlay, backing, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The merge, which has to be there and whose process has to have ended. */
async function findStopped(files: HostFiles, path: string, options: ResumeOptions): Promise<TakenUp['merge']> {
  const merge = await findUnfinishedMerge(files, path)
  if (merge === null) {
    throw new UmlcowError('NOTHING_UNFINISHED', `${printablePath(path)}: there is no unfinished merge`)
  }
  const { journal } = merge
  const { code, message, hint } = unfinishedFinding(merge)
  if (journal === null) throw new UmlcowError('JOURNAL_DAMAGED', message, { hint })
  if (merge.liveness === 'running') throw new UmlcowError(code, message, { hint })
  if (merge.liveness === 'unknown' && !options.force?.includes('journal')) {
    throw new UmlcowError(
      'UNFINISHED_MERGE',
      `${message}; process ${journal.process.pid} on ${journal.process.hostName} began it, and whether that has ended cannot be told from here`,
      { hint: 'finish it there; when that process has surely ended, add --force=journal' },
    )
  }
  return { ...merge, journal }
}

async function openPinned(files: HostFiles, journal: MergeJournal): Promise<Overlay & { path: Buffer }> {
  const { overlay: pin } = journal
  const overlay = { ...(await openOverlay(files, pin.path, 'readWrite')), path: pin.path }
  try {
    refuseOther(overlay, journal, pin, headerDigest(overlay.header) === pin.headerDigest)
    return overlay
  } catch (error) {
    await overlay.store.close()
    throw error
  }
}

function refuseOther(input: InputFile, journal: MergeJournal, pin: PinnedFile, fits: boolean): void {
  if (fits && isPinned(pin, input.facts, isSameBoot(journal))) return
  throw new UmlcowError('JOURNAL_MISMATCH', `${input.store.name}: is not the file that the journal tells of`, {
    hint: 'put the file back that was there when the merge was begun, or abandon the merge',
  })
}

function isSameBoot(journal: MergeJournal): boolean {
  return journal.process.boot !== null && journal.process.boot === thisProcess().boot
}

function overlayGone(journal: MergeJournal): UmlcowError {
  return new UmlcowError(
    'JOURNAL_MISMATCH',
    `${printablePath(journal.overlay.path)}: the overlay of the merge is gone`,
    {
      hint: 'without it the merge cannot be finished: the backing file may hold a part of the changes only',
    },
  )
}

/** The work as the journal and the files as they are now say. */
export async function makeWork(
  taken: TakenUp,
  overlay: Overlay & { readonly path: Buffer },
  options: ResumeOptions,
): Promise<{ work: InPlaceWork; warnings: string[] }> {
  const { files, merge, markerPath, backing } = taken
  const search = await findSiblings(files, overlay, backing, options)
  const { kept, warnings } = await findPinned(files, merge.journal, search)
  refuseUnlessForced(findUsersOf(files, [overlay, backing, ...kept]), options.force)
  refuseWrittenSince(merge.journal, backing)
  if (!merge.journal.allowShort) await refuseTruncated(overlay, options.signal)
  const knownMtimes = [
    backing.facts.mtime,
    overlay.header.mtime,
    merge.journal.backing.mtime,
    ...search.siblings.map(({ header }) => header.mtime),
    ...kept.map(({ header }) => header.mtime),
  ]
  const mtimes = await chooseMtimes(files.clock, knownMtimes, options.signal)
  const journal: MergeJournal = {
    ...merge.journal,
    process: thisProcess(),
    mtimes: { invalid: mtimes.invalid, final: mtimes.final },
  }
  const work: InPlaceWork = {
    files,
    options,
    force: options.force ?? [],
    overlay,
    backing,
    kept,
    knownMtimes,
    journalPath: merge.journalPath,
    markerPath,
    resumed: true,
    journal,
    mtimes,
    shownMtime: 0,
    copied: new Map(),
    verified: null,
    warnings: [],
  }
  return { work, warnings }
}

/** Before a byte of it was changed by the merge, the backing file has one of two mtimes; any other is somebody's write. */
function refuseWrittenSince(journal: MergeJournal, backing: TakenUp['backing']): void {
  const { mtime } = backing.facts
  if (journal.phase !== 'preparing' || backing.facts.kind !== 'file') return
  if (mtime === journal.backing.mtime || mtime === journal.mtimes.invalid) return
  throw new UmlcowError(
    'BACKING_MTIME',
    `${backing.store.name}: somebody has written to it since the merge was begun, so the overlay no longer fits it`,
    { hint: 'abandon the merge' },
  )
}

/** The siblings of the journal where they are now. What was not among them is left alone, and named. */
async function findPinned(
  files: HostFiles,
  journal: MergeJournal,
  search: SiblingSearch,
): Promise<{ kept: Sibling[]; warnings: string[] }> {
  const kept: Sibling[] = []
  const warnings: string[] = []
  const isBackup = (pin: PinnedOverlay) => pin === journal.backup
  for (const pin of [...journal.siblings, ...(journal.backup === null ? [] : [journal.backup])]) {
    const found = (await openAt(files, pin, journal)) ?? search.siblings.find((one) => fits(one, pin, journal))
    if (found !== undefined) kept.push({ ...found, state: isBackup(pin) ? 'undo' : 'fresh' })
    else warnings.push(`${printablePath(pin.path)}: is not there any more, so it was not refreshed`)
  }
  for (const one of search.siblings) {
    if (one.state === 'undo' || kept.some((other) => isSameFile(other.facts, one.facts))) continue
    warnings.push(`${printablePath(one.path)}: was not among the siblings when the merge was begun; left as it is`)
  }
  return { kept, warnings }
}

function fits(one: Pick<Overlay, 'facts' | 'header'>, pin: PinnedOverlay, journal: MergeJournal): boolean {
  return isPinned(pin, one.facts, isSameBoot(journal)) && headerDigest(one.header) === pin.headerDigest
}

async function openAt(files: HostFiles, pin: PinnedOverlay, journal: MergeJournal): Promise<Sibling | undefined> {
  try {
    const overlay = await openOverlay(files, pin.path)
    await overlay.store.close()
    return fits(overlay, pin, journal) ? { ...overlay, path: pin.path, state: 'fresh' } : undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'NOT_COW')) return undefined
    throw error
  }
}

async function describe(taken: TakenUp, options: ResumeOptions): Promise<InPlaceResult> {
  const { merge, overlay, backing } = taken
  const { journal } = merge
  return {
    overlay: journal.overlay.path,
    backing: backing.path,
    virtualSize: backing.facts.size,
    sectorSize: overlay?.header.sectorSize ?? 512,
    allocatedSectors: overlay === null ? 0 : await countAllocated(overlay.store, overlay.layout, options.signal),
    afterwards: journal.afterwards,
    changed: true,
    resumed: true,
    siblings: [],
    leftSiblings: [],
    backup: journal.backup?.path ?? null,
    mtime: backing.facts.mtime,
    verified: null,
    dryRun: false,
    warnings: [],
  }
}
