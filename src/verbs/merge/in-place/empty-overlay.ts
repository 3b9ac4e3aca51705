import { printablePath } from '../../../bytes/escape.js'
import { planClear } from '../../../engine/plan-clear.js'
import { UmlcowError } from '../../../errors.js'
import { executeLocally } from '../../../machine/execute-locally.js'
import { type HostFiles, isSameFile } from '../../../machine/host-files.js'
import { directoryName } from '../../../machine/path-bytes.js'
import type { Overlay } from '../../../overlays/open-overlay.js'
import { type InPlaceWork, layersOf } from './work.js'

/** Clear the bits of sectors that equal the backing file, then free their data on the host. */
export async function emptyOverlay(
  work: Pick<InPlaceWork, 'overlay' | 'backing' | 'options' | 'warnings'> & { readonly journal: { noSync: boolean } },
): Promise<void> {
  const { overlay } = work
  const { store, layout, header } = overlay
  const result = { cleared: 0, kept: 0 }
  await executeLocally(planClear(layersOf(work), result), { signal: work.options.signal })
  if (!work.journal.noSync) await store.sync()
  const name = printablePath(overlay.path)
  if (result.kept > 0) {
    work.warnings.push(`${name}: ${result.kept} sectors do not equal the backing file's and stay allocated`)
    return
  }
  if (overlay.facts.kind !== 'file') return
  if (store.size > layout.dataOffset + layout.dataLength) {
    work.warnings.push(`${name}: bytes follow its last sector, so its room on the disk was not given back`)
    return
  }
  await store.truncate(layout.dataOffset)
  await store.truncate(layout.dataOffset + header.virtualSize)
  // Sync before the new header ends the merge: after a later crash nothing would extend the file again.
  if (!work.journal.noSync) await store.sync()
}

/** Remove an overlay, unless another file now has its name. */
export async function removeOverlay(files: HostFiles, overlay: Overlay, noSync: boolean): Promise<void> {
  const now = await files.lstatOrNull(overlay.path)
  if (now === null || !isSameFile(now, overlay.facts)) {
    throw new UmlcowError('INPUT_CHANGED', `${overlay.store.name}: was replaced while the merge went on`)
  }
  await files.unlink(overlay.path)
  if (!noSync) await files.syncDirectory(directoryName(overlay.path))
}
