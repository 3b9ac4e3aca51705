import { printablePath } from '../../bytes/escape.js'
import { executeSteps } from '../../engine/execute.js'
import { planClear } from '../../engine/plan-clear.js'
import { type CopyUpInputs, planCopyUpBits, planCopyUpData } from '../../engine/plan-copy-up.js'
import { planWriteBack } from '../../engine/plan-write-back.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { editHeader } from '../../formats/cow/index.js'
import { type HostFiles, isSameFile } from '../../host/host-files.js'
import { createJournal, createMarker, readJournal, readMarker, replaceJournal } from '../../host/merge-journal.js'
import { type Overlay, readHeaderBytes } from '../../host/open-overlay.js'
import { directoryName } from '../../host/path-bytes.js'
import { rewriteHeader } from '../../host/rewrite-header.js'
import type { Sibling } from '../../host/siblings.js'
import type { FileStore } from '../../stores/file-store.js'
import { progressReporter } from '../operation.js'
import { refuseUsers } from './find-users.js'
import { pauseForClock } from './mtimes.js'
import { compareWritten } from './verify.js'
import { executeOptions, type InPlaceWork, inputsOf, syncUnlessForbidden, withSibling } from './work.js'

// What the steps of protocol.ts do. Why they come in that order stands there.

export async function syncRedoLogs(work: InPlaceWork): Promise<void> {
  await syncUnlessForbidden(work, work.overlay.store)
  for (const sibling of work.kept) {
    await withSibling(work, sibling, 'read', ({ store }) => syncUnlessForbidden(work, store))
  }
}

export async function writeJournal(work: InPlaceWork): Promise<void> {
  const { files, journal, journalPath, markerPath } = work
  if (work.resumed) await replaceJournal(files, journalPath, journal)
  else await asUnfinished(createJournal(files, journalPath, journal))
  const marker = work.resumed ? await readMarker(files, markerPath) : null
  if (marker?.overlayPath?.equals(journal.overlay.path)) return
  await asUnfinished(createMarker(files, markerPath, journal.overlay.path, journal.noSync))
}

/** Another machine may be faster: the guard saw no journal, and the name is taken all the same. */
async function asUnfinished(pending: Promise<void>): Promise<void> {
  try {
    await pending
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'TARGET_EXISTS') throw error
    throw new UmlcowError('UNFINISHED_MERGE', `${error.message}: another merge is under way`, { cause: error })
  }
}

export async function invalidateBacking(work: InPlaceWork): Promise<void> {
  await setBackingMtime(work, work.mtimes.invalid)
}

export async function setBackingMtime(
  work: Pick<InPlaceWork, 'files' | 'backing' | 'journal'>,
  mtime: number,
): Promise<void> {
  const { files, backing } = work
  if (backing.facts.kind === 'blockDevice') return setDeviceMtime(files, backing.store, mtime)
  await files.setMtime(backing.store, mtime)
  const { mtime: stored } = files.statOpen(backing.store)
  if (stored !== mtime) {
    throw new UmlcowError(
      'BAD_MTIME',
      `${backing.store.name}: its file system cannot hold the modification time ${mtime}: it made ${stored} of it`,
      { details: { expected: mtime, got: stored } },
    )
  }
  await syncUnlessForbidden(work, backing.store)
}

/** The kernel compares the mtime of a device's node. Whoever may write to the device need not own the node. */
async function setDeviceMtime(files: HostFiles, store: FileStore, mtime: number): Promise<void> {
  try {
    await files.setMtime(store, mtime)
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error
  }
}

export async function lookAgain(work: InPlaceWork): Promise<void> {
  const { files, overlay, backing, kept } = work
  refuseUsers(files, [overlay, backing, ...kept], work.force)
  await refuseNewHeader(overlay, overlay.header.bytes)
  if (files.statOpen(overlay.store).size !== overlay.store.size) throw changedMeanwhile(overlay.store.name)
  for (const one of [overlay, backing]) {
    if (!isSameFile(await files.stat(one.path), one.facts)) throw changedMeanwhile(one.store.name)
  }
  if (files.statOpen(backing.store).size !== backing.facts.size && backing.facts.kind === 'file') {
    throw changedMeanwhile(backing.store.name)
  }
  for (const sibling of kept) {
    await withSibling(work, sibling, 'read', (now) => refuseNewHeader(now, sibling.header.bytes))
  }
}

async function refuseNewHeader(overlay: Overlay, expected: Uint8Array): Promise<void> {
  const bytes = await readHeaderBytes(overlay.store)
  if (Buffer.compare(bytes.subarray(0, expected.length), expected) !== 0) throw changedMeanwhile(overlay.store.name)
}

function changedMeanwhile(name: string): UmlcowError {
  return new UmlcowError('INPUT_CHANGED', `${name}: was changed while the merge was prepared`)
}

export async function copyUpIntoSiblings(work: InPlaceWork): Promise<void> {
  for (const sibling of work.kept) {
    await withSibling(work, sibling, 'readWrite', async (opened) => {
      const result = { bytes: 0 }
      const inputs = copyUpInputs(work, opened)
      const { dataOffset } = opened.layout
      const end = dataOffset + opened.header.virtualSize
      // Bytes that are zeros are not written, and a file that ends before them would have lost them.
      if (opened.facts.kind === 'file' && opened.store.size < end) await opened.store.truncate(end)
      await executeSteps(planCopyUpData(inputs, result), executeOptions(work))
      await syncUnlessForbidden(work, opened.store)
      await executeSteps(planCopyUpBits(inputs), executeOptions(work))
      await syncUnlessForbidden(work, opened.store)
      work.copied.set(sibling, result.bytes)
    })
  }
}

function copyUpInputs(work: InPlaceWork, sibling: Overlay): CopyUpInputs {
  const { overlay, backing } = work
  return { overlay, sibling, backing: backing.store, virtualSize: overlay.header.virtualSize }
}

export async function declareWriting(work: InPlaceWork): Promise<void> {
  if (work.journal.phase === 'writing') return
  const journal = { ...work.journal, phase: 'writing' as const }
  await replaceJournal(work.files, work.journalPath, journal)
  work.journal = journal
}

export async function writeSectors(work: InPlaceWork): Promise<void> {
  const { files, overlay, backing, options } = work
  const { mtimes } = work
  const onPosition = progressReporter(options, overlay.header.virtualSize, 'merge')
  const toAvoid = mtimes.ahead ? [...work.knownMtimes, mtimes.invalid, mtimes.final] : []
  const betweenSlices = async () => {
    await pauseForClock(files.clock, toAvoid, options.signal)
    work.shownMtime = Math.max(work.shownMtime, files.statOpen(backing.store).mtime)
  }
  const plan = planWriteBack(inputsOf(work))
  await executeSteps(plan, {
    signal: options.signal,
    onPosition,
    betweenSlices: mtimes.ahead ? betweenSlices : undefined,
  })
  await syncUnlessForbidden(work, backing.store)
  if (mtimes.ahead) await betweenSlices()
  onPosition?.(overlay.header.virtualSize)
}

export async function verifyWritten(work: InPlaceWork): Promise<void> {
  if (work.journal.verify) work.verified = await compareWritten(work)
}

export async function setFinalMtime(work: InPlaceWork): Promise<void> {
  const { mtimes, backing } = work
  await setBackingMtime(work, backing.facts.kind === 'blockDevice' ? mtimes.final : finalMtime(work))
}

/** With headers from the future, the backing file may have shown later mtimes than the one that was chosen. */
export function finalMtime({ files, backing, mtimes, shownMtime }: InPlaceWork): number {
  // Nobody promises that a device's node takes the one that was chosen.
  if (backing.facts.kind === 'blockDevice') return files.statOpen(backing.store).mtime
  return mtimes.ahead ? Math.max(mtimes.final, shownMtime + 1) : mtimes.final
}

export async function refreshSiblings(work: InPlaceWork): Promise<void> {
  for (const sibling of work.kept) {
    await withSibling(work, sibling, 'readWrite', (opened) => writeFinalMtime(work, opened))
  }
}

export async function writeFinalMtime(work: InPlaceWork, { path, store, header }: Overlay): Promise<void> {
  const after = editHeader(header, { mtime: finalMtime(work) })
  await rewriteHeader(work.files, path, store, header.bytes, after, work.journal.noSync)
}

export async function resetOverlay(work: InPlaceWork): Promise<void> {
  if (work.journal.afterwards !== 'reset') return
  await emptyOverlay(work)
}

/** Clear the bits of what equals the backing file, then give its data back. */
export async function emptyOverlay(
  work: Pick<InPlaceWork, 'overlay' | 'backing' | 'options' | 'warnings'> & { readonly journal: { noSync: boolean } },
): Promise<void> {
  const { overlay } = work
  const { store, layout, header } = overlay
  const result = { cleared: 0, kept: 0 }
  await executeSteps(planClear(inputsOf(work), result), { signal: work.options.signal })
  if (!work.journal.noSync) await store.sync()
  const name = printablePath(overlay.path)
  if (result.kept > 0) {
    work.warnings.push(`${name}: ${result.kept} sectors do not equal the backing file's and stay allocated`)
    return
  }
  if (overlay.facts.kind !== 'file') return
  if (store.size > layout.dataOffset + layout.dataLength) {
    work.warnings.push(`${name}: bytes follow its last sector, so its room on the disk was not given back`)
    return
  }
  await store.truncate(layout.dataOffset)
  await store.truncate(layout.dataOffset + header.virtualSize)
}

export async function commitOverlay(work: InPlaceWork): Promise<void> {
  const { files, overlay, journal } = work
  if (journal.afterwards === 'delete') {
    await removeOverlay(files, overlay, journal.noSync)
  } else if (journal.afterwards !== 'leave' && journal.leadsToBacking) {
    await writeFinalMtime(work, overlay)
  }
}

/** Remove an overlay, unless another file has taken its name meanwhile. */
export async function removeOverlay(files: HostFiles, overlay: Overlay, noSync: boolean): Promise<void> {
  const now = await files.lstatOrNull(overlay.path)
  if (now === null || !isSameFile(now, overlay.facts)) throw changedMeanwhile(overlay.store.name)
  await files.unlink(overlay.path)
  if (!noSync) await files.syncDirectory(directoryName(overlay.path))
}

export async function removeJournal(work: Pick<InPlaceWork, 'files' | 'markerPath' | 'journalPath'>): Promise<void> {
  await removeFiles(work.files, [work.markerPath, work.journalPath])
}

async function removeFiles(files: HostFiles, paths: readonly Buffer[]): Promise<void> {
  for (const path of paths) {
    try {
      await files.unlink(path)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
    }
    await files.syncDirectory(directoryName(path))
  }
}

/**
 * Take back what the steps did before the first byte of the backing file's content was changed.
 *
 * @returns false when the backing file carries a mtime that the merge did not give it: somebody has written to it since,
 *          so it keeps that one
 */
export async function undoPreparation(work: UndoableWork): Promise<boolean> {
  const { files, backing, journal } = work
  const { mtime, mtimeNs } = files.statOpen(backing.store)
  const isOurs = mtime === journal.mtimes.invalid && mtimeNs === BigInt(mtime) * 1_000_000_000n
  if (isOurs) await setBackingMtime(work, journal.backing.mtime)
  // Where another machine's merge was in the way, journal and marker are not ours to remove.
  const written = await readJournal(files, work.journalPath)
  if (written?.journal?.started === journal.started && written.journal.process.pid === journal.process.pid) {
    const marker = await readMarker(files, work.markerPath)
    const paths = marker?.overlayPath?.equals(journal.overlay.path)
      ? [work.markerPath, work.journalPath]
      : [work.journalPath]
    await removeFiles(files, paths)
  }
  return isOurs || mtime === journal.backing.mtime || backing.facts.kind === 'blockDevice'
}

type UndoableWork = Pick<InPlaceWork, 'files' | 'backing' | 'journal' | 'journalPath' | 'markerPath'>

/** The kept siblings but for the undo overlay, with what each took. */
export function keptSiblings(work: InPlaceWork): { path: Buffer; copiedLength: number }[] {
  return work.kept.filter(isNoUndo).map((one) => ({ path: one.path, copiedLength: work.copied.get(one) ?? 0 }))
}

function isNoUndo(sibling: Sibling): boolean {
  return sibling.state !== 'undo'
}
