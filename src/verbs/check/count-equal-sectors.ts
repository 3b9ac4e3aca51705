import { countSame, planCompareRuns } from '../../engine/plan-compare.js'
import { executeLocally } from '../../machine/execute-locally.js'
import { type OperationOptions, progressReporter } from '../../machine/operation-options.js'
import { type FileImage, storeOf } from '../../overlays/open-image.js'
import type { Overlay } from '../../overlays/open-overlay.js'

/** Count the allocated sectors that equal those of the backing file. */
export async function countSameSectors(
  overlay: Overlay,
  backing: FileImage,
  options: OperationOptions,
): Promise<number> {
  const { header } = overlay
  let count = 0
  const onPosition = progressReporter(options, header.virtualSize, 'check')
  const plan = planCompareRuns({ overlay, backing: storeOf(backing) }, (compared) => {
    count += countSame(compared, header.sectorSize)
    return true
  })
  await executeLocally(plan, { signal: options.signal, onPosition })
  onPosition?.(header.virtualSize)
  return count
}
