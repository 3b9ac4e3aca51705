import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { lockFiles } from '../../host/file-locks.js'
import type { ForceWord } from '../../host/guard.js'
import type { HostFiles } from '../../host/host-files.js'
import { headerDigest, isPinned, type MergeJournal, markerPathOf, type PinnedFile } from '../../host/merge-journal.js'
import { type InputFile, type Overlay, openInput, openOverlay } from '../../host/open-overlay.js'
import { thisProcess } from '../../host/process-identity.js'
import type { HostLock } from '../../host/process-lock.js'
import { findUnfinishedMerge, type UnfinishedMerge, unfinishedFinding } from '../../host/unfinished-merge.js'
import type { OperationOptions } from '../operation.js'

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

/** Device numbers hold until the machine is started again. */
export function isSameBoot(journal: MergeJournal): boolean {
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
