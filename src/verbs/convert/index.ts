import { UmlcowError } from '../../errors.js'
import { createRawSink, createRawStreamSink } from '../../images/raw-sink.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { type OutputTarget, withOutput } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { halfOfProgress } from '../../machine/streams/with-read-progress.js'
import { checkQcow2Layers } from '../../overlays/check-qcow2-layers.js'
import type { FileImage } from '../../overlays/open-image.js'
import type { RawInput } from '../../overlays/raw-source.js'
import { bmapOf, throughBmap, withBmap } from './bmap-input.js'
import { copyImage } from './copy-image.js'
import {
  comparedUnit,
  convertCountsOf,
  convertedImageOf,
  convertResultOf,
  copyWorkOf,
  type OpenedInput,
} from './describe.js'
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
import { refuseOptions } from './refuse-options.js'
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
    return convertResultOf(
      { path, input, sources, target },
      await convertedImageOf(files, input, target, backing, options),
      options,
    )
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
    virtualSize = await copyInput(stream, sinkOf, options.zeroUnit ?? comparedUnit, counts)
  })
  const image: NewImage = { format: 'raw', virtualSize, backing: null }
  return {
    ...convertResultOf({ path, input: { files: [], virtualSize }, sources, target }, image, options),
    ...convertCountsOf(counts),
  }
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
  const image = await convertedImageOf(files, input, target, backing, options)
  const result = { ...convertResultOf(opened, image, options), warnings }
  if (options.dryRun) return result
  const work = copyWorkOf(files, input, backing, options)
  let counts = { stored: 0, dropped: 0 }
  await writeOutput(files, { sources, target, newFile }, options, async (store, isPipe) => {
    counts = await copyImage(work, isPipe ? createRawStreamSink(store, input.virtualSize) : newSink(store, image))
  })
  return { ...result, ...convertCountsOf(counts) }
}
