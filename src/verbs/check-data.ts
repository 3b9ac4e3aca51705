import { planCompareRuns, type SameSectors } from '../engine/compare-runs.js'
import { executeSteps } from '../engine/execute.js'
import type { Overlay } from '../host/open-overlay.js'
import type { BlockStore } from '../stores/block-store.js'
import { type OperationOptions, progressReporter } from './operation.js'

/** How many allocated sectors hold what the backing file holds. */
export async function countSameSectors(
  overlay: Overlay,
  backing: BlockStore,
  options: OperationOptions,
): Promise<number> {
  const { header, layout, store } = overlay
  const same: SameSectors = { count: 0 }
  const inputs = { overlay: store, backing, dataOffset: layout.dataOffset, header, layout }
  const onPosition = progressReporter(options, header.virtualSize, 'check')
  await executeSteps(planCompareRuns(inputs, same), { signal: options.signal, onPosition })
  onPosition?.(header.virtualSize)
  return same.count
}
