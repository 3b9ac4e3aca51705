import type { Layers } from '../../../engine/merge-layers.js'
import type { HostFiles } from '../../../machine/host-files.js'
import type { PartReporter } from '../../../machine/operation-options.js'
import { type FileImage, storeOf } from '../../../overlays/open-image.js'
import type { Overlay } from '../../../overlays/open-overlay.js'
import type { NewImageOptions } from '../options.js'

/** A merge into a new file or a pipe. Its inputs are open and passed every check. */
export interface NewMerge {
  readonly files: HostFiles
  readonly overlay: Overlay
  readonly backing: FileImage
  /** Bytes that the overlay supplies. */
  readonly overlaySize: number
  readonly options: NewImageOptions
  readonly progress: PartReporter
}

export function newImageLayers({ overlay, backing }: NewMerge): Layers {
  return { overlay, backing: storeOf(backing) }
}
