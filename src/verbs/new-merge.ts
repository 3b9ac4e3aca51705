import type { MergeInputs } from '../engine/plan-merge.js'
import type { HostFiles } from '../host/host-files.js'
import type { OpenBacking } from '../host/open-image.js'
import type { Overlay } from '../host/open-overlay.js'
import type { MergeOptions } from './merge-options.js'
import type { PartReporter } from './operation.js'

/** A merge into something new, its inputs open and found fit. */
export interface NewMerge {
  readonly files: HostFiles
  readonly overlay: Overlay
  readonly backing: OpenBacking
  /** Bytes that the overlay supplies. */
  readonly overlaySize: number
  readonly options: MergeOptions
  readonly progress: PartReporter
}

export function mergeInputsOf({ overlay, backing }: NewMerge): MergeInputs {
  const { store, header, layout } = overlay
  return { overlay: store, backing: backing.store, dataOffset: layout.dataOffset, header, layout }
}
