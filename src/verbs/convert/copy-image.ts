import { mayHaveHoles } from '../../engine/choose-copier.js'
import { imageParts } from '../../engine/convert/image-parts.js'
import { overlayParts } from '../../engine/convert/overlay-parts.js'
import type { PartSource, PartStore } from '../../engine/convert/parts.js'
import { planConvert } from '../../engine/convert/plan-convert.js'
import type { ConvertCounts } from '../../engine/convert/sink-output.js'
import { isPlain } from '../../images/image-formats.js'
import type { ImageSink } from '../../images/new-image.js'
import { withDataMap } from '../../machine/copying/with-data-map.js'
import { executeLocally } from '../../machine/execute-locally.js'
import type { HostFiles } from '../../machine/host-files.js'
import type { ProbedFile } from '../../overlays/open.js'
import { type FileImage, storeOf } from '../../overlays/open-image.js'
import { overlayOf } from '../../overlays/open-overlay.js'

/** An image to copy into a sink. */
export interface CopyWork {
  readonly files: HostFiles
  readonly input: FileImage
  /** Aligned blocks of zeros of this length become holes; 0 for none. */
  readonly zeroUnit: number
  /** What lies below the new image; null: it stands alone. */
  readonly below: {
    readonly image: FileImage
    /** Layers of the input to copy; null: all, and all are compared. */
    readonly layers: number | null
    /** Leave out groups of this length that are equal below; null for none. */
    readonly dropEqual: number | null
  } | null
  readonly signal: AbortSignal | undefined
  readonly onPosition: ((position: number) => void) | undefined
}

/** Copy an image into a sink, and finish the sink. @returns what became of the bytes */
export async function copyImage(work: CopyWork, sink: ImageSink): Promise<ConvertCounts> {
  const { files, input, below, zeroUnit, signal, onPosition } = work
  const counts: ConvertCounts = { stored: 0, zeros: 0, dropped: 0 }
  await withMaps(files, input.files, signal, async (stores) => {
    const source = sourceOf(input, stores, below === null ? null : below.layers)
    const run = async (backing: PartStore | null) => {
      const over = backing === null || below === null ? null : { backing, dropEqual: below.dropEqual }
      await executeLocally(planConvert(source, sink, { zeroUnit, below: over }, counts), { signal, onPosition })
    }
    if (below === null) return run(null)
    // The two sides are searched for holes at their own pace.
    if (below.image.plain === null) return run({ store: storeOf(below.image) })
    await withMaps(files, below.image.files, signal, async ([store]) => run(store!))
  })
  onPosition?.(input.virtualSize)
  return counts
}

/** @param layers  how many layers to copy; null for all */
function sourceOf(input: FileImage, stores: readonly PartStore[], layers: number | null): PartSource {
  const top = input.files[0]!
  const overlay = top.format === 'cow' ? overlayOf(top) : null
  if (overlay !== null && layers === 1) return overlayParts(overlay, null)
  const lower = input.files[1]
  // The bitmap of a COW file over a raw file says all: no promise for each of its runs.
  if (overlay !== null && layers === null && input.files.length === 2 && lower !== undefined && isPlain(lower.format)) {
    return overlayParts(overlay, stores[1]!)
  }
  return imageParts(input, stores, layers ?? undefined)
}

/** Call `run` with the stores of files, and with what is known of the holes in those that are raw. */
async function withMaps(
  files: HostFiles,
  inputs: readonly ProbedFile[],
  signal: AbortSignal | undefined,
  run: (stores: readonly PartStore[]) => Promise<void>,
  found: readonly PartStore[] = [],
): Promise<void> {
  const file = inputs[found.length]
  if (file === undefined) return run(found)
  const next = (store: PartStore) => withMaps(files, inputs, signal, run, [...found, store])
  if (!isPlain(file.format) || file.facts.kind !== 'file' || !mayHaveHoles(file.facts)) {
    return next({ store: file.store })
  }
  const withMap = (way: 'extents' | 'read') =>
    withDataMap(files, way, file, signal, (data) => next({ store: file.store, data }))
  if (!(await withMap('extents'))) await withMap('read')
}
