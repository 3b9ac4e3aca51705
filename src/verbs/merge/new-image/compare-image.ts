import { planCompareMerged } from '../../../engine/plan-merge.js'
import { UmlcowError } from '../../../errors.js'
import { executeLocally } from '../../../machine/execute-locally.js'
import { directReader } from '../../../machine/stores/direct-store.js'
import type { FileStore } from '../../../machine/stores/file-store.js'
import { openDirect } from '../../../machine/stores/open-direct.js'
import { type NewMerge, newImageLayers } from './new-merge.js'

/**
 * Read a merged image back and compare it with its overlay and its backing file. It reads every byte and trusts no map
 * of holes.
 *
 * @returns where it read the image: the disk, or the page cache if the file system has no direct reads
 * @throws  UmlcowError VERIFY_FAILED
 */
export async function compareMerged(merge: NewMerge, target: FileStore, path: Buffer): Promise<'disk' | 'cache'> {
  const { files, overlay, options } = merge
  const { virtualSize } = overlay.header
  const direct = await openDirect(files, path, target)
  try {
    const onPosition = merge.progress('verify', [1 / 2, 1])
    const store = direct === null ? target : directReader(direct)
    const plan = planCompareMerged(newImageLayers(merge), store, (start, length) => {
      throw new UmlcowError(
        'VERIFY_FAILED',
        `${target.name}: what was written does not read back, in ${length} bytes at offset ${start}`,
        { details: { offset: start, length } },
      )
    })
    await executeLocally(plan, { signal: options.signal, onPosition })
    onPosition?.(virtualSize)
    return direct === null ? 'cache' : 'disk'
  } finally {
    await direct?.close()
  }
}
