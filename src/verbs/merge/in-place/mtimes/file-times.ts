import { printablePath } from '../../../../bytes/escape.js'
import type { FileFacts, HostFiles } from '../../../../machine/host-files.js'
import { directoryName } from '../../../../machine/path-bytes.js'
import type { FileStore } from '../../../../machine/stores/file-store.js'
import { temporaryPathIn } from '../../../../machine/write-new-file.js'

/** How a file system stores modification times, in whole seconds since 1970. */
export interface FileTimes {
  /** Name of the file, for messages. */
  readonly name: string
  /** Return the mtime that a write gives to a file now. A network file system takes it from the server's clock. */
  present(): Promise<number>
  /** Return the mtime that `second` becomes: FAT stores even seconds only, ext4 with small inodes ends in 2038. */
  stored(second: number): Promise<number>
}

/**
 * Probe the file system of a file with an empty file beside it, and remove that file afterwards.
 *
 * @throws UmlcowError with the system's code, when the file cannot be made; the marker of a merge could not either
 */
export async function withFileTimes<T>(
  files: HostFiles,
  { path, facts }: { readonly path: Buffer; readonly facts: FileFacts },
  run: (times: FileTimes) => Promise<T>,
): Promise<T> {
  const directory = directoryName(path)
  const trialPath = temporaryPathIn(directory)
  const store = await files.open(trialPath, 'createNew', { permissions: 0o600, name: printablePath(directory) })
  try {
    let result: T
    try {
      result = await run(timesOf(files, store, { name: printablePath(path), device: facts.device }))
    } finally {
      await store.close()
    }
    await files.unlink(trialPath)
    return result
  } catch (error) {
    // The first failure is more useful than the second.
    await files.unlink(trialPath).catch(() => {})
    throw error
  }
}

function timesOf(files: HostFiles, store: FileStore, { name, device }: { name: string; device: bigint }): FileTimes {
  // A file with its own mount lies on another file system than its directory. Every file system stores even seconds.
  const isOther = files.statOpen(store).device !== device
  return {
    name,
    async present() {
      // Setting the same size still updates the mtime.
      await store.truncate(0)
      return files.statOpen(store).mtime
    },
    async stored(second) {
      await files.setMtime(store, isOther ? second - (second % 2) : second)
      return files.statOpen(store).mtime
    },
  }
}
