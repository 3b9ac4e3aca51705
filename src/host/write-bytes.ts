import { writeExact } from '../stores/block-store.js'
import { type HostFiles, type HostPath, localHostFiles } from './host-files.js'
import { writeNewFile } from './new-file.js'
import { guardTarget, type TargetOptions } from './target-guard.js'

/**
 * Write a small file that appears whole or not at all.
 *
 * @throws UmlcowError as `guardTarget` and `writeNewFile`
 */
export async function writeBytes(
  path: HostPath,
  bytes: Uint8Array,
  options: TargetOptions,
  files: HostFiles = localHostFiles,
): Promise<void> {
  const place = await guardTarget(files, path, options)
  await writeNewFile(files, place, { permissions: 0o644, overwrite: options.overwrite }, (store) =>
    writeExact(store, 0, bytes),
  )
}
