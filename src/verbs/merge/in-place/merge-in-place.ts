import { isSame, planCompareRuns } from '../../../engine/plan-compare.js'
import { editHeader } from '../../../formats/cow/index.js'
import { executeLocally } from '../../../machine/execute-locally.js'
import { type HostFiles, localHostFiles } from '../../../machine/host-files.js'
import { checkedOptions, textPath } from '../../../machine/option-rules.js'
import { withUnseenTold } from '../../../machine/processes/unseen-users.js'
import { openInput } from '../../../overlays/open.js'
import { rewriteHeader } from '../../../overlays/rewrite-header.js'
import type { Sibling } from '../../../overlays/siblings/sibling-search.js'
import { afterFailure } from './after-failure.js'
import { beginWork } from './begin.js'
import { emptyOverlay, removeOverlay } from './empty-overlay.js'
import { finalMtime } from './mtimes/backing-mtime.js'
import { type InPlaceOptions, type InPlaceResult, inPlaceRules } from './options.js'
import { refuseUsers } from './preflight/find-users.js'
import type { SurveyedMerge } from './preflight/survey.js'
import { warningsFor } from './preflight/warnings.js'
import { type ProtocolStep, protocol, runProtocol } from './step-order.js'
import { type FirstLook, lookFirst, underLocks } from './under-locks.js'
import { type InPlaceWork, layersOf } from './work.js'

/**
 * Merge an overlay into its backing file.
 *
 * After a crash at any instant, `resumeMerge` can finish the merge. Until then the kernel opens no overlay that would
 * show wrong data.
 *
 * @throws UmlcowError with nothing changed: IN_USE, SIBLINGS, SIBLING_…, BACKING_…, NOT_OWNER, NO_ROOM,
 *         TRUNCATED_OVERLAY, UNFINISHED_MERGE, and what opening throws. INTERRUPTED, VERIFY_FAILED and the system's
 *         codes may leave an unfinished merge; the hint then has the command that finishes it.
 * @see    src/verbs/merge/in-place/step-order.ts
 */
export function mergeInPlace(path: string | URL, options: InPlaceOptions = {}): Promise<InPlaceResult> {
  return mergeBySteps(path, options, protocol)
}

/** Merge in place by other steps: a test leaves some out. */
export async function mergeBySteps(
  path: string | URL,
  options: InPlaceOptions,
  steps: readonly ProtocolStep[],
): Promise<InPlaceResult> {
  const overlay = textPath('path', path)
  const checked = checkedOptions(options, inPlaceRules)
  return withUnseenTold(options.files ?? localHostFiles, async (files) => {
    const first = await lookFirst(files, overlay, checked)
    return mergeOver(files, first, checked, steps)
  })
}

/** Merge in place when the caller has found the overlay and the backing file already. */
export async function mergeOver(
  files: HostFiles,
  first: FirstLook,
  options: InPlaceOptions,
  steps: readonly ProtocolStep[] = protocol,
): Promise<InPlaceResult> {
  return underLocks(files, first, options, async (merge) => {
    const isDifferent = await hasChanges(files, merge, options)
    const result = describe(merge, isDifferent, options)
    if (options.dryRun) return result
    if (!isDifferent) return { ...result, ...(await finishUnchanged(files, merge, options)) }
    return { ...result, ...(await mergeChanges(files, merge, options, steps)) }
  })
}

/** Find out whether the merge would change a byte. If not, it keeps even the mtime of the backing file. */
async function hasChanges(files: HostFiles, merge: SurveyedMerge, options: InPlaceOptions): Promise<boolean> {
  const backing = await openInput(files, merge.backing.path)
  try {
    let differs = false
    const plan = planCompareRuns(
      layersOf({ overlay: merge.overlay, backing: { ...backing, path: merge.backing.path } }),
      (part) => {
        differs = !isSame(part.overlay, part.backing, part.from, part.to)
        return !differs
      },
    )
    await executeLocally(plan, { signal: options.signal })
    return differs
  } finally {
    await backing.store.close()
  }
}

function describe(merge: SurveyedMerge, changed: boolean, options: InPlaceOptions): InPlaceResult {
  const { overlay, backing, kept, search } = merge
  const left = search.siblings.filter((one) => !kept.includes(one))
  return {
    inPlace: true,
    overlay: overlay.path,
    backing: backing.path,
    virtualSize: overlay.header.virtualSize,
    sectorSize: overlay.header.sectorSize,
    allocatedSectors: merge.counts.allocatedSectors,
    afterwards: options.afterwards ?? 'keep',
    changed,
    resumed: false,
    siblings: kept.map(({ path }) => ({ path, copiedLength: 0 })),
    leftSiblings: left.map(({ path }) => path),
    backup: options.backup === undefined || !changed ? null : Buffer.from(options.backup),
    mtime: null,
    verified: null,
    dryRun: options.dryRun === true,
    warnings: warningsFor(merge, changed, options),
  }
}

/** Finish a merge whose changes the backing file holds already: only the overlay may change. */
async function finishUnchanged(
  files: HostFiles,
  merge: SurveyedMerge,
  options: InPlaceOptions,
): Promise<Partial<InPlaceResult>> {
  const { overlay, leadsToBacking } = merge
  const noSync = options.noSync === true
  const afterwards = options.afterwards ?? 'keep'
  if (afterwards === 'leave' || (afterwards !== 'delete' && !leadsToBacking)) return {}
  const warnings = warningsFor(merge, false, options)
  const backing = { ...(await openInput(files, merge.backing.path)), path: merge.backing.path }
  try {
    // A guest may have opened the files during the comparison, which takes long.
    await refuseUsers(files, [overlay, backing], options.force ?? [], options.signal)
    // The writer of these sectors may not have synced them, and soon the overlay no longer holds them.
    if (!noSync) await backing.store.sync()
    if (afterwards === 'delete') {
      await removeOverlay(files, overlay, noSync)
      return { warnings }
    }
    if (afterwards === 'reset') await emptyOverlay({ overlay, backing, options, warnings, journal: { noSync } })
    // The mtime differs only when the user forced the merge.
    const after = editHeader(overlay.header, { mtime: backing.facts.mtime })
    await rewriteHeader(files, overlay.path, overlay.store, overlay.header.bytes, after, noSync)
  } finally {
    await backing.store.close()
  }
  return { warnings }
}

async function mergeChanges(
  files: HostFiles,
  merge: SurveyedMerge,
  options: InPlaceOptions,
  steps: readonly ProtocolStep[],
): Promise<Partial<InPlaceResult>> {
  const work = await beginWork(files, merge, options)
  try {
    await runProtocol(work, steps)
    const warnings = [...warningsFor(merge, true, options), ...work.warnings]
    return { ...outcomeOf(work), warnings }
  } catch (error) {
    throw await afterFailure(work, error)
  } finally {
    await work.backing.store.close()
  }
}

/** Return the result of a merge that ran the protocol. */
export function outcomeOf(work: InPlaceWork): Pick<InPlaceResult, 'siblings' | 'mtime' | 'verified'> {
  return { siblings: keptSiblings(work), mtime: finalMtime(work), verified: work.verified }
}

/** List the kept siblings without the undo overlay, and the bytes copied into each. */
function keptSiblings(work: InPlaceWork): { path: Buffer; copiedLength: number }[] {
  return work.kept.filter(isNoUndo).map((one) => ({ path: one.path, copiedLength: work.copied.get(one) ?? 0 }))
}

function isNoUndo(sibling: Sibling): boolean {
  return sibling.state !== 'undo'
}
