import { type CopyUpLayers, planCopyUpBits, planCopyUpData } from '../../../engine/plan-copy-up.js'
import { planWriteBack } from '../../../engine/plan-write-back.js'
import { UmlcowError } from '../../../errors.js'
import { editHeader } from '../../../formats/cow/index.js'
import { readHead } from '../../../images/probe.js'
import { executeLocally } from '../../../machine/execute-locally.js'
import { isSameFile } from '../../../machine/host-files.js'
import { progressReporter } from '../../../machine/operation-options.js'
import { directoryName } from '../../../machine/path-bytes.js'
import type { Overlay } from '../../../overlays/open-overlay.js'
import { rewriteHeader } from '../../../overlays/rewrite-header.js'
import { createJournal, createMarker, readMarker, replaceJournal } from '../../../overlays/unfinished/merge-journal.js'
import { compareWritten } from './compare-written.js'
import { emptyOverlay, removeOverlay } from './empty-overlay.js'
import { finalMtime, setBackingMtime } from './mtimes/backing-mtime.js'
import { pauseForClock } from './mtimes/choose-mtimes.js'
import { refuseUsers } from './preflight/find-users.js'
import { removeFiles } from './remove-leftovers.js'
import {
  changedMeanwhile,
  executeOptions,
  forEachSibling,
  type InPlaceWork,
  layersOf,
  syncUnlessForbidden,
} from './work.js'

// The steps of protocol.ts. That file explains their order.

/** Sync the overlay and the kept siblings, whose data a guest may have left in the page cache. */
export async function syncRedoLogs(work: InPlaceWork): Promise<void> {
  await syncUnlessForbidden(work, work.overlay.store)
  await forEachSibling(work, 'read', ({ store }) => syncUnlessForbidden(work, store))
}

/** Write the journal and the marker, in an order that a resume can rely on. */
export async function writeJournal(work: InPlaceWork): Promise<void> {
  const { files, journal, journalPath, markerPath } = work
  if (!work.resumed) {
    await asUnfinished(createJournal(files, journalPath, journal))
    await asUnfinished(createMarker(files, markerPath, journal.overlay.path, journal.noSync))
    return
  }
  // The marker first: if the end of a merge removed it, only the old journal has the final mtime that proves this.
  const marker = await readMarker(files, markerPath)
  if (!marker?.overlayPath?.equals(journal.overlay.path)) {
    // The run that made the old journal may have died before it synced it. A marker needs a journal on the disk.
    if (!journal.noSync) await files.syncDirectory(directoryName(journalPath))
    await asUnfinished(createMarker(files, markerPath, journal.overlay.path, journal.noSync))
  } else if (!journal.noSync) {
    // The run that made the marker may have died before it synced it.
    await files.syncDirectory(directoryName(markerPath))
  }
  await replaceJournal(files, journalPath, journal)
}

/** Report a taken name as another merge: another machine may make its journal after the guard looked for one. */
async function asUnfinished(pending: Promise<void>): Promise<void> {
  try {
    await pending
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'TARGET_EXISTS') throw error
    throw new UmlcowError('UNFINISHED_MERGE', `${error.message}: another merge is under way`, { cause: error })
  }
}

/** Give the backing file an mtime that no header carries. */
export async function invalidateBacking(work: InPlaceWork): Promise<void> {
  await setBackingMtime(work, work.journal.mtimes.invalid)
}

/** Repeat the guard's checks, now that the kernel opens no overlay on the backing file. */
export async function lookAgain(work: InPlaceWork): Promise<void> {
  const { files, overlay, backing, kept } = work
  await refuseUsers(files, [overlay, backing, ...kept], work.options.force ?? [], work.options.signal)
  await refuseNewHeader(overlay, overlay.header.bytes)
  if (files.statOpen(overlay.store).size !== overlay.store.size) throw changedMeanwhile(overlay.store.name)
  for (const one of [overlay, backing]) {
    if (!isSameFile(await files.stat(one.path), one.facts)) throw changedMeanwhile(one.store.name)
  }
  if (files.statOpen(backing.store).size !== backing.facts.size && backing.facts.kind === 'file') {
    throw changedMeanwhile(backing.store.name)
  }
  // Refuse a sibling that a run from before the journal still locks, or whose header it changed.
  await forEachSibling(work, 'read', async () => {})
}

async function refuseNewHeader(overlay: Overlay, expected: Uint8Array): Promise<void> {
  const bytes = await readHead(overlay.store)
  if (Buffer.compare(bytes.subarray(0, expected.length), expected) !== 0) throw changedMeanwhile(overlay.store.name)
}

/** Copy into each sibling the old sectors that the merge will overwrite. */
export async function copyUpIntoSiblings(work: InPlaceWork): Promise<void> {
  await forEachSibling(work, 'readWrite', async (opened, sibling) => {
    const result = { bytes: 0 }
    const layers = copyUpLayers(work, opened)
    const { dataOffset } = opened.layout
    const end = dataOffset + opened.header.virtualSize
    // The copy skips zeros. A file that ends before them would lack a part of its allocated sectors, so extend it.
    if (opened.facts.kind === 'file' && opened.store.size < end) await opened.store.truncate(end)
    await executeLocally(planCopyUpData(layers, result), executeOptions(work))
    work.copied.set(sibling, result.bytes)
    // syncRedoLogs has synced the copies of earlier runs.
    if (result.bytes === 0) return
    await syncUnlessForbidden(work, opened.store)
    await executeLocally(planCopyUpBits(layers), executeOptions(work))
    await syncUnlessForbidden(work, opened.store)
  })
}

function copyUpLayers(work: InPlaceWork, sibling: Overlay): CopyUpLayers {
  return { ...layersOf(work), sibling }
}

/** Record in the journal that the content of the backing file may change from here on. */
export async function declareWriting(work: InPlaceWork): Promise<void> {
  if (work.journal.phase === 'writing') return
  const journal = { ...work.journal, phase: 'writing' as const }
  await replaceJournal(work.files, work.journalPath, journal)
  work.journal = journal
}

/** Write the sectors of the overlay into the backing file. */
export async function writeSectors(work: InPlaceWork): Promise<void> {
  const { files, overlay, backing, options } = work
  const { mtimes } = work.journal
  const onPosition = progressReporter(options, overlay.header.virtualSize, 'merge')
  // A write sets the mtime to the current second, which no header may carry.
  const toAvoid = work.knownMtimes.filter((one) => one > mtimes.invalid)
  const betweenSlices = () => pauseForClock(files.clock, toAvoid, options.signal)
  const plan = planWriteBack(layersOf(work), work.options.bufferSize)
  await executeLocally(plan, {
    signal: options.signal,
    onPosition,
    betweenSlices: toAvoid.length > 0 ? betweenSlices : undefined,
  })
  await syncUnlessForbidden(work, backing.store)
  onPosition?.(overlay.header.virtualSize)
}

/** Read the written sectors back, if the user asked for it. */
export async function verifyWritten(work: InPlaceWork): Promise<void> {
  if (work.journal.verify) work.verified = await compareWritten(work)
}

/** Give the backing file its last mtime. */
export async function setFinalMtime(work: InPlaceWork): Promise<void> {
  const { journal, backing } = work
  await setBackingMtime(work, backing.facts.kind === 'blockDevice' ? journal.mtimes.final : finalMtime(work))
}

/** Write the final mtime into the headers of the kept siblings. */
export async function refreshSiblings(work: InPlaceWork): Promise<void> {
  await forEachSibling(work, 'readWrite', (opened) => writeFinalMtime(work, opened))
}

/** Write the final mtime into the header of one overlay. */
export async function writeFinalMtime(work: InPlaceWork, { path, store, header }: Overlay): Promise<void> {
  const after = editHeader(header, { mtime: finalMtime(work) })
  await rewriteHeader(work.files, path, store, header.bytes, after, work.journal.noSync)
}

export async function emptyIfReset(work: InPlaceWork): Promise<void> {
  if (work.journal.afterwards !== 'reset') return
  await emptyOverlay(work)
}

/** Delete the overlay, or write the final mtime into its header: after this the merge has happened. */
export async function commitOverlay(work: InPlaceWork): Promise<void> {
  const { files, overlay, journal } = work
  if (journal.afterwards === 'delete') {
    await removeOverlay(files, overlay, journal.noSync)
  } else if (journal.afterwards !== 'leave' && journal.leadsToBacking) {
    await writeFinalMtime(work, overlay)
  }
}

/** Remove the marker, then the journal. */
export async function removeJournalAndMarker(
  work: Pick<InPlaceWork, 'files' | 'markerPath' | 'journalPath'>,
): Promise<Buffer[]> {
  return removeFiles(work.files, [work.markerPath, work.journalPath])
}
