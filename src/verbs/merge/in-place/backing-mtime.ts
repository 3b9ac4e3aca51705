import { hasCode, UmlcowError } from '../../../errors.js'
import { type HostFiles, mtimeNanoseconds } from '../../../machine/host-files.js'
import type { FileStore } from '../../../machine/stores/file-store.js'
import type { LocatedFile } from '../../../overlays/resolve-backing.js'
import { withFileTimes } from './file-times.js'
import { chooseMtimes, clockTimes, type KnownMtimes, type MergeMtimes } from './mtimes.js'
import { type InPlaceWork, syncUnlessForbidden } from './work.js'

/** Choose the mtimes of a merge by what the file system of the backing file keeps. @throws UmlcowError MTIME_UNFIT */
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
 * @param nanoseconds  of that second: to give back a time that was there, as exactly as Node can
 * @throws             UmlcowError when the file system stores another second: it gets back the one that it had
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
    // Later it would look like a write of somebody else.
    await files.setMtime(store, before.mtime, mtimeNanoseconds(before))
    throw new UmlcowError(
      journal.phase === 'preparing' ? 'MTIME_UNFIT' : 'BAD_MTIME',
      `${store.name}: its file system cannot hold the modification time ${mtime}: it made ${stored} of it`,
      { details: { expected: mtime, got: stored } },
    )
  }
  await syncUnlessForbidden(work, store)
}

/** The kernel compares the mtime of a device's node. Whoever may write to the device need not own the node. */
async function setDeviceMtime(files: HostFiles, store: FileStore, mtime: number): Promise<void> {
  try {
    await files.setMtime(store, mtime)
  } catch (error) {
    if (!hasCode(error, 'EPERM')) throw error
  }
}

/** The mtime that the headers get. */
export function finalMtime({ files, backing, journal }: InPlaceWork): number {
  // Nobody promises that a device's node takes the one that was chosen.
  return backing.facts.kind === 'blockDevice' ? files.statOpen(backing.store).mtime : journal.mtimes.final
}
