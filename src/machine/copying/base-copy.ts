import type { FileFacts, HostFiles } from '../host-files.js'
import type { FileStore } from '../stores/file-store.js'

/** An open file to copy, and what it was when it was opened. */
export interface CopySource {
  readonly store: FileStore
  readonly facts: FileFacts
}

export interface HostCopyOptions {
  /** Permission bits that the copy gets in the end. Until then, nobody else may read it. */
  readonly permissions: number
  readonly signal?: AbortSignal | undefined
  /** Called now and then with the bytes that the host stores of the copy. */
  readonly onStored?: ((size: number) => void) | undefined
}

/**
 * Let the host copy a file with its holes into an empty one.
 *
 * @returns false when this way does not work; the file is then empty, as after an error
 */
export async function copyByHost(
  files: HostFiles,
  way: 'reflink' | 'cp',
  source: CopySource,
  target: FileStore,
  options: HostCopyOptions,
): Promise<boolean> {
  let copied = false
  try {
    copied = await (way === 'cp'
      ? copyWithProgress(files, source, target, options)
      : shareStorage(files, source, target, options))
  } finally {
    // Skip an empty file: after a cut to size 0, ext4 writes the whole file to the disk when it is closed.
    if (!copied && files.statOpen(target).size > 0) await target.truncate(0)
  }
  return copied
}

async function shareStorage(
  files: HostFiles,
  { store, facts }: CopySource,
  target: FileStore,
  { permissions, signal }: HostCopyOptions,
): Promise<boolean> {
  // Node's call also copies the permissions of the source. Use cp if they admit users who must not read the copy.
  const letsInOthers = (facts.permissions & 0o7077 & ~permissions) !== 0
  if (letsInOthers) return files.copyByCp(store, target, { signal, reflink: 'always' })
  const copied = await files.reflink(store, target)
  await files.setPermissions(target, 0o600)
  return copied
}

/** Time between two progress reports on a helper's copy, milliseconds. */
const lookInterval = 100

async function copyWithProgress(
  files: HostFiles,
  source: CopySource,
  target: FileStore,
  { signal, onStored }: HostCopyOptions,
): Promise<boolean> {
  let failure: { error: unknown } | null = null
  const look = () => {
    try {
      onStored?.(files.statOpen(target).allocatedSize)
    } catch (error) {
      failure ??= { error }
    }
  }
  const timer = onStored === undefined ? undefined : setInterval(look, lookInterval)
  try {
    const copied = await files.copyByCp(source.store, target, { signal })
    if (failure !== null) throw (failure as { error: unknown }).error
    return copied
  } finally {
    clearInterval(timer)
  }
}
