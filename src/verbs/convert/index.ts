import { UmlcowError } from '../../errors.js'
import { createRawStreamSink } from '../../images/raw-sink.js'
import { type FileFacts, type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { progressReporter } from '../../machine/operation-options.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { type OutputTarget, withOutput } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { writeNewFile } from '../../machine/write-new-file.js'
import { guardTarget, refuseSameFile } from '../../overlays/guard-target.js'
import type { FileImage } from '../../overlays/open-image.js'
import { overlayOf } from '../../overlays/open-overlay.js'
import { refuseChanged } from '../../overlays/refuse-changed.js'
import { storedBackingPath } from '../../overlays/stored-path.js'
import { placeOf, refuseOwnBacking } from '../merge/check-inputs.js'
import { type CopyWork, copyImage } from './copy-image.js'
import { type NewImage, newSink } from './new-sink.js'
import { openInputImage } from './open-input.js'
import { type ConvertOptions, type ConvertResult, convertRules } from './options.js'
import { type OutputBacking, openOutputBacking } from './output-backing.js'

/**
 * Copy an image, with its backing files, into a new image of another format. With `outputBacking` the new image is an
 * overlay.
 *
 * umlcow ends a stream that got the whole image, and destroys one that got only a part of it.
 *
 * @param target  a path for a new file, or a stream, which takes raw images only
 * @throws        UmlcowError USAGE, SAME_FILE, TARGET_…, BACKING_…, IN_USE, TRUNCATED_OVERLAY, UNFINISHED_MERGE,
 *                INPUT_CHANGED, INTERRUPTED, and what the codecs and the host throw. A failed conversion leaves no file
 */
export async function convert(
  input: string | URL,
  target: OutputTarget | URL | OutputStream,
  options: ConvertOptions = {},
): Promise<ConvertResult> {
  const path = textPath('input', input)
  const checked = checkedOptions(options, convertRules)
  refuseOptions(checked)
  return withOutput(target, { what: 'an image', signal: checked.signal }, (place) => {
    if (typeof place !== 'string' && (checked.format ?? 'raw') !== 'raw') {
      throw new UmlcowError('USAGE', 'only a raw image can go to a stream: its tables stand before its data')
    }
    return withUnseenTold(checked.files ?? localHostFiles, (files) => convertFile(files, path, place, checked))
  })
}

function refuseOptions({ format = 'raw', outputBacking, outputBackingFormat, pathStyle, ...options }: ConvertOptions) {
  const refuse = (message: string, hint?: string) => {
    throw new UmlcowError('USAGE', message, { hint })
  }
  if (format === 'raw' && outputBacking !== undefined)
    refuse('a raw image has no backing file: -B needs -O cow or qcow2')
  if (format === 'cow' && outputBacking === undefined) {
    refuse('a COW file needs its backing file: -B BACKING', '"umlcow info" shows the backing file of the input')
  }
  if (outputBacking === undefined) {
    if (outputBackingFormat !== undefined || pathStyle !== undefined || options.unit !== undefined) {
      refuse('the format and the path of a backing file, and --unit, mean nothing without -B')
    }
  }
  if (format !== 'qcow2' && (options.clusterSize !== undefined || options.compress)) {
    refuse('a cluster size and compression are for qcow2: add -O qcow2')
  }
}

async function convertFile(
  files: HostFiles,
  path: string,
  target: OutputTarget,
  options: ConvertOptions,
): Promise<ConvertResult> {
  const input = await openInputImage(files, path, options)
  try {
    if (options.outputBacking === undefined) return await convertOpened(files, { path, input, target }, null, options)
    const backing = await openOutputBacking(files, input, options.outputBacking, options)
    try {
      return await convertOpened(files, { path, input, target }, backing, options)
    } finally {
      await backing.image.close()
    }
  } finally {
    await input.close()
  }
}

interface OpenedInput {
  readonly path: string
  readonly input: FileImage
  readonly target: OutputTarget
}

async function convertOpened(
  files: HostFiles,
  opened: OpenedInput,
  backing: OutputBacking | null,
  options: ConvertOptions,
): Promise<ConvertResult> {
  const { input, target } = opened
  const inputs = [...input.files, ...(backing?.image.files ?? [])]
  const place = await placeOf(files, target)
  for (const file of inputs) refuseSameFile(place.facts, place.name, file.facts, file.path)
  const overlay = overlayOf(input.files[0]!)
  if (options.backing !== undefined && overlay !== null) await refuseOwnBacking(files, overlay, place)
  const newFile = typeof target === 'string' ? await guardTarget(files, target, options) : null
  const image = await newImageOf(files, opened, backing, options)
  const result: ConvertResult = {
    input: opened.path,
    inputFormat: input.files[0]!.format,
    output: typeof target === 'string' ? target : null,
    format: image.format,
    virtualSize: input.virtualSize,
    backingPath: image.backing?.path ?? null,
    storedBytes: null,
    droppedBytes: null,
    dryRun: options.dryRun === true,
    warnings: [],
  }
  if (options.dryRun) return result
  const work = workOf(files, input, backing, options)
  let counts = { stored: 0, dropped: 0 }
  const refuseTorn = () => {
    if (options.force?.includes('in-use')) return
    for (const file of inputs) refuseChanged(files, file, 'convert')
  }
  if (typeof target !== 'string') {
    counts = await copyImage(work, createRawStreamSink(target.pipe, input.virtualSize))
    refuseTorn()
  } else {
    const permissions = newPermissions(inputs.map(({ facts }) => facts))
    await writeNewFile(files, newFile!, { permissions, ...options }, async (store) => {
      counts = await copyImage(work, newSink(store, image))
      refuseTorn()
    })
  }
  return { ...result, storedBytes: counts.stored, droppedBytes: counts.dropped }
}

async function newImageOf(
  files: HostFiles,
  { input, target }: OpenedInput,
  backing: OutputBacking | null,
  options: ConvertOptions,
): Promise<NewImage> {
  const { format = 'raw', clusterSize, compress, outputBacking, pathStyle = { kind: 'absolute' } } = options
  const common = { format, virtualSize: input.virtualSize, clusterSize, compress }
  if (backing === null || outputBacking === undefined || typeof target !== 'string') return { ...common, backing: null }
  const path = await storedBackingPath(files, target, outputBacking, pathStyle)
  return { ...common, backing: { path, format: backing.format, mtime: backing.image.files[0]!.facts.mtime } }
}

/** Groups that are compared by default: the kernel fails over overlays with a part of a page. */
const defaultUnit = 4096

function workOf(
  files: HostFiles,
  input: FileImage,
  backing: OutputBacking | null,
  { zeroUnit = defaultUnit, unit, signal, ...options }: ConvertOptions,
): CopyWork {
  const onPosition = progressReporter(options, input.virtualSize, 'convert')
  const common = { files, input, zeroUnit, signal, onPosition }
  if (backing === null) return { ...common, below: null }
  const { image, layersAbove } = backing
  const copied = input.files.slice(0, layersAbove ?? undefined)
  // Clusters may hold many sectors that nobody wrote, so an overlay with sectors needs a comparison.
  const fromClusters = options.format === 'cow' && copied.some(({ format }) => format === 'qcow2')
  const compares = unit !== undefined || fromClusters || layersAbove === null
  return { ...common, below: { image, layers: layersAbove, dropEqual: compares ? (unit ?? defaultUnit) : null } }
}

/** Only users who can read all inputs can read the new image, because it shows them all. Its owner can write it. */
function newPermissions(facts: readonly FileFacts[]): number {
  const regular = facts.filter(({ kind }) => kind === 'file')
  return (regular.reduce((permissions, one) => permissions & one.permissions, 0o644) & 0o644) | 0o600
}
