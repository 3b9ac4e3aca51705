import { type HostFiles, localHostFiles } from '../machine/host-files.js'
import { checkedOptions, text, textPath, whole } from '../machine/option-rules.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import { assertMkfsAvailable, runMkfs } from '../machine/programs/mkfs.js'
import { writeNewFile } from '../machine/write-new-file.js'
import { guardTarget } from '../overlays/guard-target.js'
import { type CreateResult, type NewFileVerbOptions, newFileRules } from './create.js'

export interface CreateRawOptions extends NewFileVerbOptions {
  /** Make this file system in the image with the host's mkfs: ext4, swap, ... */
  readonly fs?: string | undefined
}

/**
 * Make a sparse raw image: one hole.
 *
 * @param size  virtual size, bytes
 * @throws      UmlcowError HELPER_MISSING, HELPER_FAILED, TARGET_…, and what the host throws
 */
export async function createRaw(
  path: string | URL,
  size: number,
  options: CreateRawOptions = {},
): Promise<CreateResult> {
  const place = textPath('path', path)
  whole(0)(size, 'size')
  const checked = checkedOptions(options, { ...newFileRules, fs: text })
  return withUnseenTold(options.files ?? localHostFiles, (files) => makeRaw(files, place, size, checked))
}

async function makeRaw(files: HostFiles, path: string, size: number, options: CreateRawOptions): Promise<CreateResult> {
  const result: CreateResult = {
    path,
    format: 'raw',
    virtualSize: size,
    backingPath: null,
    dryRun: options.dryRun === true,
    warnings: [],
  }
  if (options.fs !== undefined) await assertMkfsAvailable(options.fs)
  const place = await guardTarget(files, path, options)
  if (options.dryRun) return result
  await writeNewFile(files, place, { permissions: 0o644, ...options }, async (store, temporaryPath) => {
    await store.truncate(size)
    if (options.fs !== undefined) await runMkfs(options.fs, temporaryPath, options.signal)
  })
  return result
}
