import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { FileFacts, HostFiles, HostPath } from '../host-files.js'
import type { HostLock } from './process-lock.js'

export interface LockedFile {
  readonly path: HostPath
  readonly facts: FileFacts
}

/**
 * Lock files against every other umlcow of this network namespace.
 *
 * A lock goes by device and inode. Every umlcow locks each file once and in the same order, so two never wait in a
 * circle.
 *
 * @throws UmlcowError IN_USE, with nothing locked
 */
export async function lockFiles(files: HostFiles, wanted: readonly LockedFile[]): Promise<HostLock> {
  const byName = new Map(wanted.map((one) => [lockName(one.facts), one.path]))
  const taken: HostLock[] = []
  const release = async () => {
    for (const lock of taken.splice(0)) await lock.release()
  }
  try {
    for (const name of [...byName.keys()].sort()) {
      const lock = await files.lock(name)
      if (lock === null) {
        const shown = printablePath(byName.get(name) ?? '')
        throw new UmlcowError('IN_USE', `${shown}: another umlcow is working on it`)
      }
      taken.push(lock)
    }
  } catch (error) {
    await release()
    throw error
  }
  return { release }
}

/** How often to try a lock that another umlcow may soon release, and the pause between two tries in milliseconds. */
const tries = 20
const pause = 50

/**
 * Hold the lock of a file while `run` works on it.
 *
 * Another umlcow may take the lock for a moment and then refuse, so this tries for a while.
 *
 * @throws UmlcowError IN_USE
 */
export async function withLock<T>(
  files: HostFiles,
  file: LockedFile,
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T> {
  const lock = await lockSoon(files, file, signal)
  try {
    return await run()
  } finally {
    await lock.release()
  }
}

async function lockSoon(files: HostFiles, file: LockedFile, signal: AbortSignal | undefined): Promise<HostLock> {
  for (let left = tries; ; left--) {
    try {
      return await lockFiles(files, [file])
    } catch (error) {
      if (left === 1 || !hasCode(error, 'IN_USE')) throw error
    }
    await files.clock.sleep(pause, signal)
  }
}

function lockName({ kind, device, inode, deviceId }: FileFacts): string {
  return kind === 'blockDevice' ? `umlcow device ${deviceId}` : `umlcow file ${device}:${inode}`
}
