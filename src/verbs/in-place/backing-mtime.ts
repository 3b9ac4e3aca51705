import { hasCode, UmlcowError } from '../../errors.js'
import type { HostFiles } from '../../host/host-files.js'
import type { FileStore } from '../../stores/file-store.js'
import { type InPlaceWork, syncUnlessForbidden } from './work.js'

/** @throws UmlcowError BAD_MTIME when the file system stores another one */
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

/** With headers from the future, the backing file may have shown later mtimes than the one that was chosen. */
export function finalMtime({ files, backing, mtimes, shownMtime }: InPlaceWork): number {
  // Nobody promises that a device's node takes the one that was chosen.
  if (backing.facts.kind === 'blockDevice') return files.statOpen(backing.store).mtime
  return mtimes.ahead ? Math.max(mtimes.final, shownMtime + 1) : mtimes.final
}
