import type { ConvertCounts } from '../../engine/convert/sink-output.js'
import { UmlcowError } from '../../errors.js'
import { createRawSink, createRawStreamSink } from '../../images/raw-sink.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { progressReporter } from '../../machine/operation-options.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { type OutputTarget, withOutput } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { halfOfProgress } from '../../machine/streams/with-read-progress.js'
import { checkQcow2Layers } from '../../overlays/check-qcow2-layers.js'
import type { ProbedFile } from '../../overlays/open.js'
import type { FileImage } from '../../overlays/open-image.js'
import type { RawInput } from '../../overlays/raw-source.js'
import { storedBackingPath } from '../../overlays/stored-path.js'
import { bmapOf, throughBmap, withBmap } from './bmap-input.js'
import { type CopyWork, copyImage } from './copy-image.js'
import { type NewImage, newSink } from './new-sink.js'
import { openInputImage } from './open-input.js'
import { type ConvertOptions, type ConvertResult, convertRules } from './options.js'
import { type OutputBacking, openOutputBacking, withSizeOfBacking } from './output-backing.js'
import {
  compressedInput,
  copyInput,
  measureInput,
  type RawStream,
  rawStreamOf,
  unpackBeside,
  unpacksBeside,
} from './raw-stream.js'
import { guardNewImage, writeOutput } from './write-output.js'

/**
 * Copy an image, with its backing files, into a new image of another format. With `outputBacking` the new image is an
 * overlay.
 *
 * A raw input may be compressed with LZ4, gzip or zstd, which its first bytes show, and it may be a stream. With
 * `inputFormat: 'raw'` its bytes count as they are. For a COW file or a qcow2 image of such an input, umlcow needs room
 * for a sparse raw image beside the target.
 *
 * umlcow ends a stream that got the whole image, and destroys one that got only a part of it.
 *
 * @param input   a path, or the bytes of a raw image with a name for messages
 * @param target  a path for a new file, or a stream, which takes raw images only
 * @throws        UmlcowError USAGE, SAME_FILE, TARGET_…, BACKING_…, IN_USE, TRUNCATED_OVERLAY, UNFINISHED_MERGE,
 *                QCOW2_DAMAGED, QCOW2_LEAKS, INPUT_CHANGED, INTERRUPTED, BAD_COMPRESSED, TRUNCATED_COMPRESSED, NO_CODEC,
 *                NOT_RAW, and what the codecs and the host throw. A failed conversion leaves no file
 */
export async function convert(
  input: RawInput | URL,
  target: OutputTarget | URL | OutputStream,
  options: ConvertOptions = {},
): Promise<ConvertResult> {
  const from = typeof input === 'object' && 'bytes' in input ? input : textPath('input', input)
  const checked = checkedOptions(options, convertRules)
  refuseOptions(checked)
  return withOutput(target, { what: 'an image', signal: checked.signal }, (place) => {
    if (typeof place !== 'string' && (checked.format ?? 'raw') !== 'raw') {
      throw new UmlcowError('USAGE', 'only a raw image can go to a stream: its tables stand before its data')
    }
    return withUnseenTold(checked.files ?? localHostFiles, (files) => convertFrom(files, from, place, checked))
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

async function convertFrom(
  files: HostFiles,
  from: RawInput,
  target: OutputTarget,
  options: ConvertOptions,
): Promise<ConvertResult> {
  const bmap = await bmapOf(files, target, options)
  if (typeof from !== 'string') return convertStream(files, withBmap(rawStreamOf(from, options), bmap), target, options)
  const opened = await openInputImage(files, from, options)
  try {
    const compressed = await compressedInput(from, opened, options)
    if (compressed !== null) return await convertStream(files, withBmap(compressed, bmap), target, options)
    const input = bmap === null ? opened : await throughBmap(opened, bmap, options)
    return await convertImage(files, { path: from, input, sources: input.files, target }, options)
  } finally {
    await opened.close()
  }
}

/** Convert an input that is read once: straight into a raw image, else by a sparse raw file beside the output. */
async function convertStream(
  files: HostFiles,
  stream: RawStream,
  target: OutputTarget,
  options: ConvertOptions,
): Promise<ConvertResult> {
  const { path, sources } = stream
  const newFile = await guardNewImage(files, sources, target, options)
  if (options.dryRun) {
    const input = { files: [], virtualSize: await measureInput(stream) }
    const backing = await backingFor(files, input, options)
    await backing?.image.close()
    return resultOf({ path, input, sources, target }, await newImageOf(files, input, target, backing, options), options)
  }
  if (newFile !== null && unpacksBeside(options)) {
    const input = await unpackBeside(files, stream, newFile.path, options.signal)
    try {
      // Reading a file was the first half. The end of a stream was not known.
      const rest = sources.length === 0 ? options : halfOfProgress(options, 'second')
      return await convertImage(files, { path, input, sources, target }, rest)
    } finally {
      await input.close()
    }
  }
  const counts = { stored: 0, zeros: 0, dropped: 0 }
  let virtualSize = 0
  await writeOutput(files, { sources, target, newFile }, options, async (store, isPipe) => {
    const sinkOf = (size: () => number) => (isPipe ? createRawStreamSink(store, size) : createRawSink(store, size))
    virtualSize = await copyInput(stream, sinkOf, options.zeroUnit ?? defaultUnit, counts)
  })
  const image: NewImage = { format: 'raw', virtualSize, backing: null }
  return {
    ...resultOf({ path, input: { files: [], virtualSize }, sources, target }, image, options),
    ...countsOf(counts),
  }
}

interface OpenedInput {
  readonly path: string
  readonly input: Pick<FileImage, 'files' | 'virtualSize'>
  /** The files that the caller named, and those below them. None for a stream. */
  readonly sources: readonly ProbedFile[]
  readonly target: OutputTarget
}

async function backingFor(
  files: HostFiles,
  input: OpenedInput['input'],
  options: ConvertOptions,
): Promise<OutputBacking | null> {
  const { outputBacking } = options
  return outputBacking === undefined ? null : openOutputBacking(files, input, outputBacking, options)
}

async function convertImage(
  files: HostFiles,
  opened: OpenedInput & { readonly input: FileImage },
  options: ConvertOptions,
): Promise<ConvertResult> {
  const backing = await backingFor(files, opened.input, options)
  try {
    const isCow = backing !== null && options.format === 'cow'
    const input = isCow ? await withSizeOfBacking(opened.input, backing.image) : opened.input
    return await convertOpened(files, { ...opened, input }, backing, options)
  } finally {
    await backing?.image.close()
  }
}

async function convertOpened(
  files: HostFiles,
  opened: OpenedInput & { readonly input: FileImage },
  backing: OutputBacking | null,
  options: ConvertOptions,
): Promise<ConvertResult> {
  const { input, target } = opened
  const sources = [...opened.sources, ...(backing?.image.files ?? [])]
  const newFile = await guardNewImage(files, sources, target, options)
  const { warnings } = await checkQcow2Layers([...input.files, ...(backing?.image.files ?? [])], options)
  const image = await newImageOf(files, input, target, backing, options)
  const result = { ...resultOf(opened, image, options), warnings }
  if (options.dryRun) return result
  const work = workOf(files, input, backing, options)
  let counts = { stored: 0, dropped: 0 }
  await writeOutput(files, { sources, target, newFile }, options, async (store, isPipe) => {
    counts = await copyImage(work, isPipe ? createRawStreamSink(store, input.virtualSize) : newSink(store, image))
  })
  return { ...result, ...countsOf(counts) }
}

function resultOf({ path, input, target }: OpenedInput, image: NewImage, options: ConvertOptions): ConvertResult {
  return {
    input: path,
    inputFormat: input.files[0]?.format ?? 'raw',
    output: typeof target === 'string' ? target : null,
    format: image.format,
    virtualSize: input.virtualSize,
    backingPath: image.backing?.path ?? null,
    storedBytes: null,
    droppedBytes: null,
    dryRun: options.dryRun === true,
    warnings: [],
  }
}

function countsOf({ stored, dropped }: Pick<ConvertCounts, 'stored' | 'dropped'>) {
  return { storedBytes: stored, droppedBytes: dropped }
}

async function newImageOf(
  files: HostFiles,
  input: OpenedInput['input'],
  target: OutputTarget,
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
