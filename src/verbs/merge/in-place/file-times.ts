import { printablePath } from '../../../bytes/escape.js'
import type { FileFacts, HostFiles } from '../../../machine/host-files.js'
import { temporaryPathIn } from '../../../machine/new-file.js'
import { directoryName } from '../../../machine/path-bytes.js'
import type { FileStore } from '../../../machine/stores/file-store.js'

/** What a file system does with modification times, whole seconds since 1970. */
export interface FileTimes {
  /** Of the file that it is about. */
  readonly name: string
  /** The one that a write gives to a file now. On a network it is the server's clock that counts. */
  present(): Promise<number>
  /** What it makes of one: FAT has even seconds only, ext4 with small inodes ends in 2038. */
  stored(second: number): Promise<number>
}

/**
 * Ask the file system of a file by an empty one beside it, which is removed again.
 *
 * @throws UmlcowError with the system's code: where that file cannot be made, neither can the marker of a merge
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
    // The first failure tells more than the second.
    await files.unlink(trialPath).catch(() => {})
    throw error
  }
}

function timesOf(files: HostFiles, store: FileStore, { name, device }: { name: string; device: bigint }): FileTimes {
  // A file that was mounted by itself lies on another file system: even seconds are kept by all.
  const isOther = files.statOpen(store).device !== device
  return {
    name,
    async present() {
      // To the size that it has: that is a change all the same.
      await store.truncate(0)
      return files.statOpen(store).mtime
    },
    async stored(second) {
      await files.setMtime(store, isOther ? second - (second % 2) : second)
      return files.statOpen(store).mtime
    },
  }
}
