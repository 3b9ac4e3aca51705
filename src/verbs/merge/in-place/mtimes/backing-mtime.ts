import { hasCode, UmlcowError } from '../../../../errors.js'
import { type HostFiles, mtimeNanoseconds } from '../../../../machine/host-files.js'
import type { FileStore } from '../../../../machine/stores/file-store.js'
import type { LocatedFile } from '../../../../overlays/resolve-backing.js'
import { type InPlaceWork, syncUnlessForbidden } from '../work.js'
import { chooseMtimes, clockTimes, type KnownMtimes, type MergeMtimes } from './choose-mtimes.js'
import { withFileTimes } from './file-times.js'

/** Choose mtimes of a merge that the backing file's file system stores exactly. @throws UmlcowError MTIME_UNFIT */
export function chooseBackingMtimes(
  files: HostFiles,
  { path, facts, store }: LocatedFile & { readonly path: Buffer; readonly store: FileStore },
  known: KnownMtimes,
  signal?: AbortSignal,
): Promise<MergeMtimes> {
  const { clock } = files
  if (facts.kind === 'blockDevice') return chooseMtimes(clock, clockTimes(clock, store.name), known, signal)
  return withFileTimes(files, { path, facts }, (times) => chooseMtimes(clock, times, known, signal))
}

/**
 * Set the mtime of the backing file, and sync it.
 *
 * @param nanoseconds  part of the second: restores an earlier mtime as exactly as Node can
 * @throws             UmlcowError when the file system stores another second; the file then gets its old mtime back
 */
export async function setBackingMtime(
  work: Pick<InPlaceWork, 'files' | 'backing' | 'journal'>,
  mtime: number,
  nanoseconds = 0,
): Promise<void> {
  const { files, backing, journal } = work
  const { store } = backing
  if (backing.facts.kind === 'blockDevice') return setDeviceMtime(files, store, mtime)
  const before = files.statOpen(store)
  await files.setMtime(store, mtime, nanoseconds)
  const { mtime: stored } = files.statOpen(store)
  if (stored !== mtime) {
    // A later run would read the wrong mtime as a write by another program.
    await files.setMtime(store, before.mtime, mtimeNanoseconds(before))
    throw new UmlcowError(
      journal.phase === 'preparing' ? 'MTIME_UNFIT' : 'BAD_MTIME',
      `${store.name}: its file system cannot hold the modification time: expected ${mtime}, got ${stored}`,
      { details: { expected: mtime, got: stored } },
    )
  }
  await syncUnlessForbidden(work, store)
}

/** Set the mtime of a device's node, which the kernel compares. A user who can write to the device need not own it. */
async function setDeviceMtime(files: HostFiles, store: FileStore, mtime: number): Promise<void> {
  try {
    await files.setMtime(store, mtime)
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error
  }
}

/** Return the mtime for the headers. */
export function finalMtime({ files, backing, journal }: InPlaceWork): number {
  // A device's node may not have taken the chosen mtime.
  return backing.facts.kind === 'blockDevice' ? files.statOpen(backing.store).mtime : journal.mtimes.final
}
