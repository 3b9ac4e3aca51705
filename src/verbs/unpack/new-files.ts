import { printablePath } from '../../bytes/escape.js'
import { hasCode, throwIfAborted } from '../../errors.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../machine/host-files.js'
import { directoryName } from '../../machine/path-bytes.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { type NewFileTarget, placeTemporary, removeQuietly, temporaryPathIn } from '../../machine/write-new-file.js'

interface Started {
  readonly place: NewFileTarget
  readonly temporaryPath: Buffer
  /** Null when it is closed. */
  store: FileStore | null
}

/** A name that a new file has, or is about to get. */
interface Placed {
  readonly path: Buffer
  readonly wasFree: boolean
  /** A second name of the file that had the name before. */
  readonly oldPath: Buffer | null
  /** The new file. */
  readonly facts: FileFacts | null
  isPlaced?: boolean
}

/** New files that get their names together, when all of them are complete. */
export class NewFiles {
  private readonly files: HostFiles
  private readonly started: Started[] = []

  constructor(files: HostFiles) {
    this.files = files
  }

  /** Begin a file under a temporary name beside its place. */
  async begin(place: NewFileTarget): Promise<FileStore> {
    const temporaryPath = temporaryPathIn(directoryName(place.path))
    const name = printablePath(place.path)
    const store = await this.files.open(temporaryPath, 'createNew', { permissions: 0o600, name })
    this.started.push({ place, temporaryPath, store })
    return store
  }

  /**
   * Give all files their names. After a failure, the names are as they were: free, or with the old file.
   *
   * @throws UmlcowError TARGET_EXISTS when another file has taken a name meanwhile
   */
  async place(signal: AbortSignal | undefined, noSync: boolean): Promise<void> {
    throwIfAborted(signal)
    const placed: Placed[] = []
    try {
      for (const one of this.started) {
        await closeOne(one)
        const facts = await this.files.lstatOrNull(one.temporaryPath)
        const oldPath = await this.keepOld(one.place)
        placed.push({ path: one.place.path, wasFree: one.place.existing === null, oldPath, facts })
        const isMoved = await placeTemporary(this.files, one.temporaryPath, one.place)
        placed.at(-1)!.isPlaced = true
        if (!isMoved) await this.files.unlink(one.temporaryPath)
      }
    } catch (error) {
      for (const one of placed.reverse()) await this.putBack(one)
      throw error
    }
    for (const { oldPath } of placed) if (oldPath !== null) await removeQuietly(this.files, oldPath)
    const [first] = this.started
    if (first !== undefined && !noSync) await this.files.syncDirectory(directoryName(first.place.path))
    this.started.splice(0)
  }

  /** Give a file that is to be replaced a second name. @returns null where there is none, or no hard links */
  private async keepOld({ path, existing }: NewFileTarget): Promise<Buffer | null> {
    if (existing === null) return null
    const oldPath = temporaryPathIn(directoryName(path))
    try {
      await this.files.link(path, oldPath)
      return oldPath
    } catch (error) {
      if (hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) return null
      // A server may have made the link, and its answer was lost.
      await removeQuietly(this.files, oldPath)
      throw error
    }
  }

  private async putBack(placed: Placed): Promise<void> {
    const { path, wasFree, oldPath } = placed
    const isPlaced = placed.isPlaced || (await this.isThere(placed))
    if (oldPath === null) {
      if (isPlaced && wasFree) await removeQuietly(this.files, path)
    } else if (isPlaced) {
      await this.files.rename(oldPath, path)
    } else {
      await removeQuietly(this.files, oldPath)
    }
  }

  /** Test whether a file has its name, although the call that gave it the name failed: a server's answer may be lost. */
  private async isThere({ path, facts }: Placed): Promise<boolean> {
    const there = await this.files.lstatOrNull(path).catch(() => null)
    return facts !== null && there !== null && isSameFile(facts, there)
  }

  /** Close what is open and remove what has no name yet. Call it in any case. */
  async close(): Promise<void> {
    for (const one of this.started) {
      await closeOne(one)
      await removeQuietly(this.files, one.temporaryPath)
    }
  }
}

async function closeOne(one: Started): Promise<void> {
  const { store } = one
  one.store = null
  await store?.close()
}
