import type { ConvertCounts } from '../../engine/convert/sink-output.js'
import type { HostFiles } from '../../machine/host-files.js'
import { progressReporter } from '../../machine/operation-options.js'
import type { OutputTarget } from '../../machine/output-target.js'
import type { ProbedFile } from '../../overlays/open.js'
import type { FileImage } from '../../overlays/open-image.js'
import { storedBackingPath } from '../../overlays/stored-path.js'
import type { CopyWork } from './copy-image.js'
import type { NewImage } from './new-sink.js'
import type { ConvertOptions, ConvertResult } from './options.js'
import type { OutputBacking } from './output-backing.js'

/** An input of `convert` and its output. */
export interface OpenedInput {
  readonly path: string
  readonly input: Pick<FileImage, 'files' | 'virtualSize'>
  /** The files that the caller named, and those below them. None for a stream. */
  readonly sources: readonly ProbedFile[]
  readonly target: OutputTarget
}

export function convertResultOf(
  { path, input, target }: OpenedInput,
  image: NewImage,
  options: ConvertOptions,
): ConvertResult {
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

export function convertCountsOf({ stored, dropped }: Pick<ConvertCounts, 'stored' | 'dropped'>) {
  return { storedBytes: stored, droppedBytes: dropped }
}

/** Describe the new image: what its header says. */
export async function convertedImageOf(
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
export const comparedUnit = 4096

/** Decide what to copy, and what to compare with the backing file. */
export function copyWorkOf(
  files: HostFiles,
  input: FileImage,
  backing: OutputBacking | null,
  { zeroUnit = comparedUnit, unit, signal, ...options }: ConvertOptions,
): CopyWork {
  const onPosition = progressReporter(options, input.virtualSize, 'convert')
  const common = { files, input, zeroUnit, signal, onPosition }
  if (backing === null) return { ...common, below: null }
  const { image, layersAbove } = backing
  const copied = input.files.slice(0, layersAbove ?? undefined)
  // Clusters may hold many sectors that nobody wrote, so an overlay with sectors needs a comparison.
  const fromClusters = options.format === 'cow' && copied.some(({ format }) => format === 'qcow2')
  const compares = unit !== undefined || fromClusters || layersAbove === null
  return { ...common, below: { image, layers: layersAbove, dropEqual: compares ? (unit ?? comparedUnit) : null } }
}
