import { printablePath } from '../../../bytes/escape.js'
import type { ManifestItem } from '../../../formats/manifest/entry.js'
import { type HostPath, localHostFiles } from '../../../machine/host-files.js'
import { checkedOptions, checkItems, flag, hostPath, paths } from '../../../machine/option-rules.js'
import { inspectTarget, writeNewFile } from '../../../machine/write-new-file.js'
import { makeNewTree } from '../../new-tree/make-new-tree.js'
import { type NewTreeOptions, newTreeRules } from '../../new-tree/new-tree.js'
import { FakerootSave } from '../fakeroot/save.js'
import { buildDirectory } from './build-directory.js'

export interface WriteDirectoryOptions extends NewTreeOptions {
  /** Give everything its own owner and type. This needs root, and is the default for root. */
  readonly asRoot?: boolean | undefined
  /** A new save file for `fakeroot -i`, with owners and types of the manifest. It fits this tree, but no copy of it. */
  readonly fakerootSave?: string | undefined
}

export interface DirectoryTreeResult {
  readonly directory: string
  readonly entries: number
  /** Names that could not get their own owner, type or bits above 0777. */
  readonly differing: number
  readonly warnings: readonly string[]
}

/**
 * Make a plain directory tree from a manifest, in a new directory or an empty one.
 *
 * Root gives every file its owner, and makes devices. Other users own all the files that they make; devices become
 * empty files, and bits above 0777 are left out. The result counts these names, and a save file of fakeroot can record
 * them.
 *
 * @throws UmlcowError TARGET_EXISTS, TARGET_KIND, IN_USE, BAD_ARCHIVE when entries contradict one another, HELPER_MISSING,
 *         HELPER_FAILED, and what `items` throws
 */
export async function writeDirectory(
  items: AsyncIterable<ManifestItem>,
  place: HostPath | URL,
  given: WriteDirectoryOptions = {},
): Promise<DirectoryTreeResult> {
  checkItems(items)
  const directory = hostPath('directory', place)
  const options = checkedOptions(given, { ...newTreeRules, asRoot: flag, fakerootSave: paths.plain })
  const { fakerootSave, signal, noSync } = options
  const files = options.files ?? localHostFiles
  const save = fakerootSave === undefined ? null : await inspectTarget(files, fakerootSave, false)
  let isSaved = false
  try {
    const { result, warnings } = await makeNewTree(directory, options, async (tree, warn) => {
      if (save === null) return await buildDirectory(items, tree, options, warn)
      let built = { entries: 0, differing: 0 }
      // Write this file before the tree gets its name: without it the tree would lack its owners and types.
      await writeNewFile(files, save, { permissions: 0o644, noSync, signal }, async (store) => {
        const records = new FakerootSave(store, tree)
        built = await buildDirectory(items, tree, { ...options, records }, warn)
        await records.flush()
      })
      isSaved = true
      return built
    })
    return { directory: printablePath(directory), ...result, warnings }
  } catch (error) {
    if (isSaved && save !== null) await files.unlink(save.path)
    throw error
  }
}
