import { UmlcowError } from '../../../errors.js'
import type { ImageSink } from '../../../images/new-image.js'
import { createRawSink, createRawStreamSink } from '../../../images/raw-sink.js'
import { refuseUnlessForced } from '../../../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../../machine/host-files.js'
import { progressInParts } from '../../../machine/operation-options.js'
import { checkedOptions, type Rules } from '../../../machine/option-rules.js'
import type { OutputTarget } from '../../../machine/output-target.js'
import { findWriters } from '../../../machine/processes/find-writers.js'
import { writeNewFile } from '../../../machine/write-new-file.js'
import { checkQcow2Layers } from '../../../overlays/check-qcow2-layers.js'
import { guardTarget, refuseSameFile } from '../../../overlays/guard-target.js'
import { layerOf } from '../../../overlays/open.js'
import { type FileImage, openBackingOf, openBackingOfQcow2, openLayers } from '../../../overlays/open-image.js'
import { refuseChanged } from '../../../overlays/refuse-changed.js'
import { copyImage } from '../../convert/copy-image.js'
import { placeOf } from '../check-inputs.js'
import { type NewImageOptions, newImageRules } from '../options.js'
import type { NewImageResult } from './merge-new.js'

const { copier: _copier, verify: _verify, allowShort: _allowShort, ...qcow2MergeRules }: Rules = newImageRules

/**
 * Merge a qcow2 image and the files below it into a new raw image or a pipe. No input changes.
 *
 * It checks the tables of all qcow2 images first, so that it reads none whose tables contradict each other.
 *
 * @throws UmlcowError QCOW2_DAMAGED, QCOW2_LEAKS, QCOW2_FEATURE for a merge in place, and as `merge`
 */
export async function mergeQcow2(
  files: HostFiles,
  path: string,
  target: OutputTarget,
  options: NewImageOptions,
): Promise<NewImageResult> {
  const checked: NewImageOptions = checkedOptions(options, qcow2MergeRules)
  const image = await openLayers(files, path, {
    openBelow: (overlay) => openBackingOf(files, overlay, checked),
    openBelowQcow2: (overlay) => openBackingOfQcow2(files, overlay, checked),
    signal: checked.signal,
  })
  try {
    const place = await placeOf(files, target)
    refuseInputs(place.facts, place.name, image)
    refuseUnlessForced(await findWriters(files, image.files), checked.force)
    const newFile = typeof target === 'string' ? await guardTarget(files, target, checked) : null
    const { reports, warnings } = await checkQcow2Layers(image.files, checked)
    const result: NewImageResult = {
      inPlace: false,
      overlay: path,
      backing: image.files.length > 1 ? Buffer.from(image.files[1]!.path as Buffer) : null,
      target: typeof target === 'string' ? target : null,
      virtualSize: image.virtualSize,
      allocatedSectors: reports[0]!.allocatedClusters,
      sectorSize: layerOf(image.files[0]!).qcow2!.clusterSize,
      dryRun: checked.dryRun === true,
      copier: checked.dryRun ? null : 'read',
      verified: null,
      warnings,
    }
    if (checked.dryRun) return result
    if (typeof target !== 'string') {
      const sink = createRawStreamSink(target.pipe, image.virtualSize)
      await copyInto(sink, files, image, { ...checked, zeroUnit })
    } else if (newFile !== null) {
      const how = { ...checked, zeroUnit: checked.sparse === 'never' ? 0 : zeroUnit }
      await writeNewFile(files, newFile, { ...checked, permissions: permissionsOf(image) }, (store) =>
        copyInto(createRawSink(store, image.virtualSize), files, image, how),
      )
    }
    return result
  } finally {
    await image.close()
  }
}

/** Refuse an output that is an input. In place would change the backing file under other images on it. */
function refuseInputs(target: FileFacts | null, name: string, { files }: FileImage): void {
  const [top, ...below] = files
  refuseSameFile(target, name, top!.facts, top!.path)
  if (target === null || !below.some(({ facts }) => isSameFile(facts, target))) return
  throw qcow2InPlace(name)
}

/** The error for a merge of a qcow2 image into its backing file. */
function qcow2InPlace(name: string): UmlcowError {
  return new UmlcowError('QCOW2_FEATURE', `${name}: umlcow does not merge a qcow2 image into its backing file`, {
    details: { feature: 'merge in place' },
    hint: 'merge it into a new file, or use "qemu-img commit", which does not look for other overlays',
  })
}

/** Only users who can read all inputs can read the new image. Its owner can write it. */
function permissionsOf({ files }: FileImage): number {
  const readable = files.reduce((all, { facts }) => (facts.kind === 'file' ? all & facts.permissions : all), 0o644)
  return readable | 0o600
}

/** Blocks of zeros of this length become holes of a new file. */
const zeroUnit = 4096

async function copyInto(
  sink: ImageSink,
  files: HostFiles,
  image: FileImage,
  options: NewImageOptions & { readonly zeroUnit: number },
): Promise<void> {
  const { signal } = options
  const onPosition = progressInParts(options, image.virtualSize)('merge', [0, 1])
  await copyImage({ files, input: image, zeroUnit: options.zeroUnit, below: null, signal, onPosition }, sink)
  if (options.force?.includes('in-use')) return
  for (const input of image.files) refuseChanged(files, input, 'merge')
}
