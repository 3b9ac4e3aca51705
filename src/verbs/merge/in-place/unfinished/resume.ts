import { UmlcowError } from '../../../../errors.js'
import { refuseUnlessForced } from '../../../../machine/findings.js'
import { type HostFiles, localHostFiles } from '../../../../machine/host-files.js'
import { checkedOptions, textPath } from '../../../../machine/option-rules.js'
import { thisProcess } from '../../../../machine/processes/process-identity.js'
import { withUnseenTold } from '../../../../machine/processes/unseen-users.js'
import { shellQuote } from '../../../../machine/shell-quote.js'
import { countAllocated } from '../../../../overlays/count-allocated.js'
import type { Overlay } from '../../../../overlays/open-overlay.js'
import { findSiblings } from '../../../../overlays/siblings/find-siblings.js'
import type { SiblingSearch } from '../../../../overlays/siblings/sibling-search.js'
import { isOurMtime, type MergeJournal } from '../../../../overlays/unfinished/merge-journal.js'
import { unfinishedFinding } from '../../../../overlays/unfinished/unfinished-merge.js'
import { refuseTruncated } from '../../check-inputs.js'
import { withResumeHint } from '../after-failure.js'
import { outcomeOf } from '../merge-in-place.js'
import { chooseBackingMtimes } from '../mtimes/backing-mtime.js'
import { shownMtimes } from '../mtimes/choose-mtimes.js'
import { type InPlaceResult, resumeRules } from '../options.js'
import { refuseUsers } from '../preflight/find-users.js'
import { findChainTrouble, findQcow2Trouble } from '../preflight/sibling-trouble.js'
import { qcow2Warnings } from '../preflight/warnings.js'
import { type ProtocolStep, protocol, runProtocol } from '../step-order.js'
import { removeJournalAndMarker } from '../steps.js'
import { type InPlaceWork, makeWork, syncUnlessForbidden } from '../work.js'
import { findNotCopiedUp, findPinned, notCopiedUpWarning } from './find-pinned.js'
import { type ResumeOptions, type StoppedMerge, takeUp } from './take-up.js'

/**
 * Finish a merge in place that was cut short.
 *
 * @param path  the overlay or the backing file
 * @throws      UmlcowError NOTHING_UNFINISHED, UNFINISHED_MERGE when it still runs, JOURNAL_…, SIBLING_CHANGED, IN_USE,
 *              and what `mergeInPlace` throws
 */
export function resumeMerge(path: string | URL, options: ResumeOptions = {}): Promise<InPlaceResult> {
  return resumeBySteps(path, options, protocol)
}

/** Resume by other steps: a test leaves some out. */
export async function resumeBySteps(
  path: string | URL,
  options: ResumeOptions,
  steps: readonly ProtocolStep[],
): Promise<InPlaceResult> {
  const file = textPath('path', path)
  const checked = checkedOptions(options, resumeRules)
  return withUnseenTold(options.files ?? localHostFiles, (files) => resumeStopped(files, file, checked, steps))
}

async function resumeStopped(
  files: HostFiles,
  path: string,
  options: ResumeOptions,
  steps: readonly ProtocolStep[],
): Promise<InPlaceResult> {
  const stopped = await takeUp(files, path, options)
  try {
    const { journal } = stopped.merge
    if (journal.phase === 'abandoning') {
      const { code, message, hint } = unfinishedFinding(stopped.merge)
      throw new UmlcowError(code, `${message}, and was being abandoned`, { hint })
    }
    if (stopped.isCommitted || stopped.overlay === null) {
      await removeCommitted(stopped)
      return await describe(stopped, options)
    }
    // Describe the overlay before the protocol, which may empty it.
    const result = await describe(stopped, options)
    const { work, search } = await takeUpWork(stopped, stopped.overlay, options)
    const trouble = [...findChainTrouble(stopped.overlay, search, journal), ...findQcow2Trouble(search, work.backing)]
    refuseUnlessForced(trouble, options.force)
    try {
      await runProtocol(work, steps)
    } catch (error) {
      throw await withResumeHint(work, error)
    }
    return { ...result, ...outcomeOf(work), warnings: [...work.warnings, ...qcow2Warnings(search, work.backing)] }
  } finally {
    await stopped.close()
  }
}

/** Remove the journal of a complete merge. First sync the overlay: the run that died may not have synced it. */
export async function removeCommitted({ files, merge, markerPath, overlay }: StoppedMerge): Promise<Buffer[]> {
  if (overlay !== null) await syncUnlessForbidden(merge, overlay.store)
  return removeJournalAndMarker({ files, markerPath, journalPath: merge.journalPath })
}

/** Rebuild the state of a merge from its journal and its files. */
export async function takeUpWork(
  stopped: StoppedMerge,
  overlay: Overlay & { readonly path: Buffer },
  options: ResumeOptions,
): Promise<{ work: InPlaceWork; search: SiblingSearch }> {
  const { files, merge, markerPath, backing } = stopped
  const search = await findSiblings(files, overlay, backing, options)
  const { kept: pinned, findings, warnings } = await findPinned(files, merge.journal, backing.facts, search)
  refuseUnlessForced(findings, options.force)
  const wasWritten = merge.journal.phase !== 'preparing'
  const lost = wasWritten ? await findNotCopiedUp({ files, overlay, kept: pinned, options }) : []
  const kept = pinned.filter((one) => !lost.includes(one))
  await refuseUsers(files, [overlay, backing, ...kept], options.force ?? [], options.signal)
  refuseWrittenSince(merge.journal, backing)
  if (!merge.journal.allowShort) await refuseTruncated(overlay, options.signal)
  const shown = [...shownMtimes(backing.facts), ...shownBefore(merge.journal)]
  const headers = [overlay, ...search.siblings, ...search.others, ...kept].map(({ header }) => header.mtime)
  const mtimes = await chooseBackingMtimes(files, backing, { headers, shown, wasWritten }, options.signal)
  const journal: MergeJournal = {
    ...merge.journal,
    process: thisProcess(),
    mtimes: { shown: backing.facts.mtime, invalid: mtimes.invalid, final: mtimes.final },
  }
  const told = [...findings.map(({ message }) => message), ...warnings, ...lost.map(notCopiedUpWarning)]
  const known = { files, options, overlay, backing, kept, knownMtimes: [...headers, ...shown], markerPath }
  const work = makeWork({ ...known, journalPath: merge.journalPath, journal, resumed: true }, told)
  return { work, search }
}

/**
 * Find the mtimes that the merge gave the backing file: an overlay made meanwhile carries one of them. A crash may have
 * undone them, so after the merge began to write, the backing file may have shown any mtime up to now.
 */
function shownBefore({ phase, mtimes, backing }: MergeJournal): number[] {
  const { shown, invalid, final } = mtimes
  return phase === 'preparing' ? [backing.mtime, shown, invalid] : [backing.mtime, shown, invalid, final]
}

/**
 * Refuse a backing file that another program has written to. Before the merge changes a byte of it, its mtime is one of
 * the journal. Any other mtime means another write.
 */
function refuseWrittenSince(journal: MergeJournal, backing: StoppedMerge['backing']): void {
  const { mtime } = backing.facts
  if (journal.phase !== 'preparing' || backing.facts.kind !== 'file') return
  if (mtime === journal.backing.mtime || isOurMtime(journal, mtime)) return
  throw new UmlcowError(
    'BACKING_MTIME',
    `${backing.store.name}: was written to since the merge began, so the overlay no longer fits it`,
    { hint: `abandon the merge: umlcow merge --abandon ${shellQuote(journal.overlay.path)}` },
  )
}

async function describe(stopped: StoppedMerge, options: ResumeOptions): Promise<InPlaceResult> {
  const { merge, overlay, backing } = stopped
  const { journal } = merge
  return {
    inPlace: true,
    overlay: journal.overlay.path,
    backing: backing.path,
    virtualSize: backing.facts.size,
    sectorSize: overlay?.header.sectorSize ?? 512,
    allocatedSectors: overlay === null ? 0 : await countAllocated(overlay, options.signal),
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
