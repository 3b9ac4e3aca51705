import { printablePath } from '../../bytes/escape.js'
import { hasCode } from '../../errors.js'
import type { FileFacts, HostFiles, HostPath } from '../../machine/host-files.js'
import { type MtimePrecision, preserveMtime } from '../../machine/preserve-mtime.js'
import type { FileStore } from '../../machine/stores/file-store.js'

const idBits = 0o6000

/**
 * Give a copy the owner, the permissions and the mtime of its source, as `cp -p` does.
 *
 * Where the user may not give files away, the copy stays theirs and gets no set-id bits.
 */
export async function preserveAttributes(
  files: HostFiles,
  store: FileStore,
  { owner, group, permissions, ...times }: FileFacts,
): Promise<MtimePrecision> {
  let isGiven = true
  try {
    await files.setOwner(store, owner, group)
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'EINVAL')) throw error
    isGiven = false
  }
  // After the owner: a change of owner clears the set-id bits.
  await files.setPermissions(store, isGiven ? permissions : permissions & ~idBits)
  return preserveMtime(files, store, times)
}

/** Describe an mtime that is not exact. Only whole seconds matter to overlays. */
export function mtimeWarnings(target: HostPath, precision: MtimePrecision | null): string[] {
  const name = printablePath(target)
  if (precision === 'none') {
    return [
      `${name}: its file system cannot hold the modification time of the source; overlays on it do not fit the copy`,
    ]
  }
  if (precision === null || precision === 'nanoseconds') return []
  return [`${name}: has the modification time of the source to the ${precision.slice(0, -1)} only, not the nanosecond`]
}
