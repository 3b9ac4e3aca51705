import { printablePath } from '../bytes/escape.js'
import { hasCode } from '../errors.js'
import { type HostFiles, type HostPath, localHostFiles } from '../machine/host-files.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import { writeNewFile } from '../machine/write-new-file.js'
import { writeExact } from '../stores/block-store.js'
import { guardTarget, refuseSameFile, type TargetOptions, targetFacts } from './guard-target.js'

export interface WriteBytesOptions extends TargetOptions {
  /** Files that the content comes from. umlcow replaces none of them. */
  readonly inputs: readonly HostPath[]
  readonly files?: HostFiles | undefined
}

/**
 * Write a small file that appears whole or not at all.
 *
 * @throws UmlcowError SAME_FILE, and as `guardTarget` and `writeNewFile`
 */
export function writeBytes(
  path: HostPath,
  bytes: Uint8Array,
  options: WriteBytesOptions,
): Promise<{ readonly warnings: readonly string[] }> {
  return withUnseenTold(options.files ?? localHostFiles, async (files) => {
    const existing = await targetFacts(files, path)
    for (const input of options.inputs) await refuseInput(files, path, existing, input)
    const place = await guardTarget(files, path, options)
    await writeNewFile(files, place, { permissions: 0o644 }, (store) => writeExact(store, 0, bytes))
    return { warnings: [] }
  })
}

async function refuseInput(
  files: HostFiles,
  path: HostPath,
  existing: Awaited<ReturnType<typeof targetFacts>>,
  input: HostPath,
): Promise<void> {
  try {
    refuseSameFile(existing, printablePath(path), await files.stat(input), input)
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error // The backing file of a map may be missing.
  }
}
