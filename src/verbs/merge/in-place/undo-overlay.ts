import { computeLayout, markUndo } from '../../../formats/cow/index.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../../machine/host-files.js'
import { baseName, directoryName, joinPath } from '../../../machine/path-bytes.js'
import { giveNewName, writeNewFile } from '../../../machine/write-new-file.js'
import { guardTarget } from '../../../overlays/guard-target.js'
import { openOverlay } from '../../../overlays/open-overlay.js'
import type { Sibling } from '../../../overlays/siblings/sibling-search.js'
import { writeExact } from '../../../stores/block-store.js'
import type { InPlaceOptions } from './options.js'
import type { InPlaceWork } from './work.js'

/**
 * Make an empty undo overlay, which can take the merge back. The merge treats it as a sibling and copies the old
 * sectors into it, so the undo overlay shows the old content at every instant.
 */
export async function createUndo(
  files: HostFiles,
  path: string,
  backing: InPlaceWork['backing'],
  options: InPlaceOptions,
): Promise<Sibling> {
  const place = await guardTarget(files, path, { existsHint: giveNewName, signal: options.signal })
  const { size: virtualSize, mtime, permissions } = backing.facts
  const fields = { virtualSize, mtime, sectorSize: 512, alignment: 4096, backingPath: backing.path }
  const bytes = markUndo(fields)
  const { dataOffset } = computeLayout({ ...fields, layout: 'v3' })
  let made: FileFacts | null = null
  try {
    await writeNewFile(files, place, { permissions, noSync: options.noSync }, async (store) => {
      made = files.statOpen(store)
      await writeExact(store, 0, bytes)
      await store.truncate(dataOffset + virtualSize)
    })
    const realPath = joinPath(await files.realPath(directoryName(place.path)), baseName(place.path))
    const overlay = await openOverlay(files, realPath)
    await overlay.store.close()
    return { ...overlay, path: realPath, state: 'undo' }
  } catch (error) {
    if (made !== null) await removeMade(files, place.path, made)
    throw error
  }
}

/** Remove the undo overlay after a failure, if it has its name already. A second failure must not hide the first. */
async function removeMade(files: HostFiles, path: Buffer, made: FileFacts): Promise<void> {
  try {
    const now = await files.lstatOrNull(path)
    if (now !== null && isSameFile(now, made)) await files.unlink(path)
  } catch {
    // The empty overlay that stays behind does no harm: it only occupies its name.
  }
}
