import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { isSame, planCompareRuns } from '../../engine/compare-runs.js'
import { countAllocated, countTouched } from '../../engine/count-allocated.js'
import { executeSteps } from '../../engine/execute.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { editHeader } from '../../formats/cow/index.js'
import { type HostFiles, localHostFiles } from '../../host/host-files.js'
import { openInput } from '../../host/open-overlay.js'
import { rewriteHeader } from '../../host/rewrite-header.js'
import { shellQuote } from '../../host/shell-quote.js'
import type { InPlaceOptions, InPlaceResult } from './options.js'
import { makeReady, prepareWork, type Ready } from './prepare.js'
import { type ProtocolStep, protocol, runProtocol } from './protocol.js'
import { emptyOverlay, finalMtime, keptSiblings, removeOverlay, undoPreparation } from './steps.js'
import { type InPlaceWork, inputsOf } from './work.js'

/**
 * Merge an overlay into its backing file.
 *
 * A crash at any instant leaves a state that `resumeMerge` finishes, and in which the kernel opens no overlay that would
 * show anything wrong.
 *
 * @throws UmlcowError with nothing changed: IN_USE, SIBLINGS, SIBLING_…, BACKING_…, NOT_OWNER, NO_ROOM, TRUNCATED_OVERLAY,
 *         UNFINISHED_MERGE, and what opening throws. INTERRUPTED, VERIFY_FAILED and the system's codes may leave an
 *         unfinished merge; the hint tells.
 * @see    src/verbs/in-place/protocol.ts
 */
export function mergeInPlace(path: string, options: InPlaceOptions = {}): Promise<InPlaceResult> {
  return mergeBySteps(path, options, protocol)
}

/** The same by other steps: a test leaves some out. */
export async function mergeBySteps(
  path: string,
  options: InPlaceOptions,
  steps: readonly ProtocolStep[],
): Promise<InPlaceResult> {
  const files = options.files ?? localHostFiles
  const ready = await makeReady(files, path, options)
  try {
    const isDifferent = await hasChanges(files, ready, options)
    const result = await describe(ready, isDifferent, options)
    if (options.dryRun) return result
    if (!isDifferent) return { ...result, ...(await finishUnchanged(files, ready, options)) }
    return { ...result, ...(await mergeChanges(files, ready, options, steps)) }
  } finally {
    await ready.overlay.store.close()
    for (const lock of ready.locks) await lock.release()
  }
}

/** Whether the merge would change a byte. One that would not changes nothing, not even the mtime. */
async function hasChanges(files: HostFiles, ready: Ready, options: InPlaceOptions): Promise<boolean> {
  const backing = await openInput(files, ready.backing.path)
  try {
    let differs = false
    const plan = planCompareRuns(
      inputsOf({ overlay: ready.overlay, backing: { ...backing, path: ready.backing.path } }),
      (part) => {
        differs = !isSame(part.overlay, part.backing, 0, part.length)
        return !differs
      },
    )
    await executeSteps(plan, { signal: options.signal })
    return differs
  } finally {
    await backing.store.close()
  }
}

async function describe(ready: Ready, changed: boolean, options: InPlaceOptions): Promise<InPlaceResult> {
  const { overlay, backing, kept, search } = ready
  const left = search.siblings.filter((one) => !kept.includes(one))
  return {
    overlay: overlay.path,
    backing: backing.path,
    virtualSize: overlay.header.virtualSize,
    sectorSize: overlay.header.sectorSize,
    allocatedSectors: await countAllocated(overlay.store, overlay.layout, options.signal),
    afterwards: options.afterwards ?? 'keep',
    changed,
    resumed: false,
    siblings: kept.map(({ path }) => ({ path, copiedLength: 0 })),
    leftSiblings: left.map(({ path }) => path),
    backup: options.backup === undefined || !changed ? null : Buffer.from(options.backup),
    mtime: null,
    verified: null,
    dryRun: options.dryRun === true,
    warnings: warningsFor(ready, changed, options),
  }
}

function warningsFor(ready: Ready, changed: boolean, options: InPlaceOptions): string[] {
  const { overlay, kept, search, leadsToBacking } = ready
  const warnings: string[] = []
  const name = printablePath(overlay.path)
  if (overlay.header.sectorSize !== 512) {
    warnings.push(
      `${name}: its sector size is ${overlay.header.sectorSize}; the kernel takes it for 512 and misreads such an overlay, so what a guest saw may not be what is in it`,
    )
  }
  for (const { path, state } of search.siblings.filter((one) => !kept.includes(one))) {
    if (state === 'stale') warnings.push(`${printablePath(path)}: did not fit the backing file before; left as it is`)
    else if (changed && state === 'undo')
      warnings.push(`${printablePath(path)}: takes back an earlier merge only; it no longer fits`)
    else if (changed)
      warnings.push(`${printablePath(path)}: does not fit the backing file any more; the kernel refuses it from now on`)
  }
  if (!leadsToBacking && options.afterwards !== 'leave' && options.afterwards !== 'delete') {
    warnings.push(`${name}: its header leads to another file, so it was left as it is`)
  }
  if (options.noSync && changed) warnings.push('nothing was synced: a power failure now may damage the backing file')
  if (options.backup !== undefined && !changed) warnings.push('no byte changed, so no undo overlay was made')
  return warnings
}

/** The backing file holds all of it already: only the overlay is left to deal with. */
async function finishUnchanged(
  files: HostFiles,
  ready: Ready,
  options: InPlaceOptions,
): Promise<Partial<InPlaceResult>> {
  const { overlay, leadsToBacking } = ready
  const noSync = options.noSync === true
  const afterwards = options.afterwards ?? 'keep'
  if (afterwards === 'leave') return {}
  if (afterwards === 'delete') {
    await removeOverlay(files, overlay, noSync)
    return {}
  }
  if (!leadsToBacking) return {}
  const warnings = warningsFor(ready, false, options)
  const backing = { ...(await openInput(files, ready.backing.path)), path: ready.backing.path }
  try {
    if (afterwards === 'reset') await emptyOverlay({ overlay, backing, options, warnings, journal: { noSync } })
    // Differs only where the user has overridden that.
    const after = editHeader(overlay.header, { mtime: backing.facts.mtime })
    await rewriteHeader(files, overlay.path, overlay.store, overlay.header.bytes, after, noSync)
  } finally {
    await backing.store.close()
  }
  return { warnings }
}

async function mergeChanges(
  files: HostFiles,
  ready: Ready,
  options: InPlaceOptions,
  steps: readonly ProtocolStep[],
): Promise<Partial<InPlaceResult>> {
  const work = await prepareWork(files, ready, options)
  try {
    await runProtocol(work, steps)
    const warnings = [...warningsFor(ready, true, options), ...work.warnings]
    return { ...outcomeOf(work), warnings }
  } catch (error) {
    throw await afterFailure(work, error)
  } finally {
    await work.backing.store.close()
  }
}

/** What a merge that went through the protocol has to tell. */
export function outcomeOf(work: InPlaceWork): Pick<InPlaceResult, 'siblings' | 'mtime' | 'verified'> {
  return { siblings: keptSiblings(work), mtime: finalMtime(work), verified: work.verified }
}

/** Clear up what can be; the error to throw says what is left. */
async function afterFailure(work: InPlaceWork, error: unknown): Promise<unknown> {
  if (work.journal.phase !== 'preparing') return withResumeHint(work, error)
  try {
    await undoPreparation(work)
    const { backup } = work.journal
    if (backup !== null) await work.files.unlink(backup.path)
    return isFull(error) ? withRoomHint(error) : error
  } catch {
    return withResumeHint(work, error) // The first failure tells more than the second.
  }
}

function isFull(error: unknown): error is Error {
  return hasCode(error, 'ENOSPC', 'EDQUOT')
}

function withRoomHint(error: Error): UmlcowError {
  const { code, details } = error as UmlcowError
  return new UmlcowError(code, `${error.message}\nthe backing file is as it was`, {
    details,
    hint: 'free room on that file system, then merge again; --dry-run tells how much is needed',
    cause: error,
  })
}

/** The same error with the command that finishes the merge. */
export async function withResumeHint(work: InPlaceWork, error: unknown): Promise<unknown> {
  if (!(error instanceof Error)) return error
  const command = `umlcow merge --resume ${shellQuote(work.overlay.path)}`
  const name = printablePath(work.backing.path)
  const room = isFull(error) ? `free up to ${formatSize(await roomWanted(work))} on its file system, then ` : ''
  const state = `${name}: the merge is not finished; no overlay can be opened on it until it is`
  return new UmlcowError(error instanceof UmlcowError ? error.code : 'INTERNAL', `${error.message}\n${state}`, {
    details: { ...(error instanceof UmlcowError ? error.details : {}), unfinished: true },
    hint: room === '' ? command : `${room}${command}`,
    cause: error,
  })
}

/** What the backing file may still have to store: no more than the overlay has, and no more than its own holes. */
async function roomWanted({ files, overlay, backing }: InPlaceWork): Promise<number> {
  const { store, header, layout } = overlay
  const { size, allocatedSize } = files.statOpen(backing.store)
  const holes = Math.max(0, size - allocatedSize)
  try {
    return Math.min(holes, await countTouched({ overlay: store, header, layout }))
  } catch {
    return holes // The overlay cannot be read, either.
  }
}
