import { printablePath } from '../../../bytes/escape.js'
import { planClear } from '../../../engine/plan-clear.js'
import { UmlcowError } from '../../../errors.js'
import { executeLocally } from '../../../machine/execute.js'
import { type HostFiles, isSameFile } from '../../../machine/host-files.js'
import { directoryName } from '../../../machine/path-bytes.js'
import type { Overlay } from '../../../overlays/open-overlay.js'
import { type InPlaceWork, layersOf } from './work.js'

/** Clear the bits of what equals the backing file, then give its data back. */
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
  // Before the header, which ends the merge: a crash after that would leave the file short.
  if (!work.journal.noSync) await store.sync()
}

/** Remove an overlay, unless another file has taken its name meanwhile. */
export async function removeOverlay(files: HostFiles, overlay: Overlay, noSync: boolean): Promise<void> {
  const now = await files.lstatOrNull(overlay.path)
  if (now === null || !isSameFile(now, overlay.facts)) {
    throw new UmlcowError('INPUT_CHANGED', `${overlay.store.name}: was replaced while the merge went on`)
  }
  await files.unlink(overlay.path)
  if (!noSync) await files.syncDirectory(directoryName(overlay.path))
}
