import { printablePath } from '../../bytes/escape.js'
import { throwIfAborted } from '../../errors.js'
import type { HostFiles } from '../../machine/host-files.js'
import { directoryName } from '../../machine/path-bytes.js'
import type { FileStore } from '../../machine/stores/file-store.js'
import { type NewFileTarget, placeTemporary, removeQuietly, temporaryPathIn } from '../../machine/write-new-file.js'

interface Started {
  readonly place: NewFileTarget
  readonly temporaryPath: Buffer
  /** Null when it is closed. */
  store: FileStore | null
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
   * Give all files their names. After a failure, those that were free before are free again.
   *
   * @throws UmlcowError TARGET_EXISTS when another file has taken a name meanwhile
   */
  async place(signal: AbortSignal | undefined, noSync: boolean): Promise<void> {
    throwIfAborted(signal)
    const placed: Started[] = []
    try {
      for (const one of this.started) {
        await closeOne(one)
        const isMoved = await placeTemporary(this.files, one.temporaryPath, one.place)
        placed.push(one)
        if (!isMoved) await this.files.unlink(one.temporaryPath)
      }
    } catch (error) {
      for (const { place } of placed) if (place.existing === null) await removeQuietly(this.files, place.path)
      throw error
    }
    const [first] = this.started
    if (first !== undefined && !noSync) await this.files.syncDirectory(directoryName(first.place.path))
    this.started.splice(0)
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
