import { isPowerOfTwo } from '../../bytes/align.js'
import type { ImageFormat } from '../../images/image-formats.js'
import { type ForceWord, newImageForceWords } from '../../machine/findings.js'
import type { HostPath } from '../../machine/host-files.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import {
  backingRules,
  flag,
  forceOf,
  oneOf,
  pathStyle,
  paths,
  type Rule,
  type Rules,
  whole,
  writerRules,
} from '../../machine/option-rules.js'
import type { BackingOptions } from '../../overlays/inspect-backing.js'
import type { PathStyle } from '../../overlays/stored-path.js'

/** Options of `convert`. `backing` is the backing file of the input, where the one in its header does not count. */
export interface ConvertOptions extends OperationOptions, BackingOptions {
  /** The format of the input; by default what its first bytes show. */
  readonly inputFormat?: ImageFormat | undefined
  /**
   * A bmap file of bmaptool about a raw input. umlcow checks its digests. What lies in none of its ranges reads as zeros.
   */
  readonly bmap?: HostPath | undefined
  /** The format of the output; default `raw`. */
  readonly format?: ImageFormat | undefined
  /**
   * The backing file of the output. The output then stores only what differs from this file: what the layers above it
   * supply if it is a backing file of the input, else what umlcow finds to be different.
   */
  readonly outputBacking?: HostPath | undefined
  /** The format of `outputBacking`; by default the one in which the input uses that file. */
  readonly outputBackingFormat?: ImageFormat | undefined
  /** How to store the path of `outputBacking`; default absolute. */
  readonly pathStyle?: PathStyle | undefined
  /** Bytes of a cluster of a qcow2 output; default 65536. */
  readonly clusterSize?: number | undefined
  /** Compress the clusters of a qcow2 output. */
  readonly compress?: boolean | undefined
  /**
   * Aligned blocks of this many bytes become holes where they hold only zeros: a power of two from 512 to 256 KiB. 0: the
   * output stores all zeros. Default 4096.
   */
  readonly zeroUnit?: number | undefined
  /**
   * Leave out aligned groups of this many bytes that `outputBacking` has, too: a power of two from 512 to 64 KiB. By
   * default umlcow compares groups of 4096 bytes where the input stores clusters, and nothing where it stores sectors.
   */
  readonly unit?: number | undefined
  /** Replace the output when it is a regular file and not an input, an overlay or a backing file. */
  readonly overwrite?: boolean | undefined
  /** Findings to override: `in-use`, `mtime`, `size`, `leaks`. */
  readonly force?: readonly ForceWord[] | undefined
  /** Allocated sectors beyond the end of a COW file read as zeros, as in the kernel. */
  readonly allowShort?: boolean | undefined
  /** Check everything, write nothing. */
  readonly dryRun?: boolean | undefined
  /** Skip every fsync: for throwaway images. */
  readonly noSync?: boolean | undefined
}

export interface ConvertResult {
  readonly input: string
  readonly inputFormat: ImageFormat
  /** Null for a stream. */
  readonly output: string | null
  readonly format: ImageFormat
  readonly virtualSize: number
  /** The path in the header of the output; null without a backing file. */
  readonly backingPath: Buffer | null
  /** Guest bytes that the output stores; null for a dry run. */
  readonly storedBytes: number | null
  /** Guest bytes that the output leaves to its backing file, though the input supplied them; null for a dry run. */
  readonly droppedBytes: number | null
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

export const imageFormatWords: readonly ImageFormat[] = ['raw', 'cow', 'qcow2']

/** True for 0, or a power of two from 512 to 256 KiB. */
export function isZeroUnit(size: number): boolean {
  return size === 0 || (isPowerOfTwo(size) && size >= 512 && size <= 256 * 1024)
}

/** True for a power of two from 512 to 64 KiB. */
export function isGroupUnit(size: number): boolean {
  return isPowerOfTwo(size) && size >= 512 && size <= 64 * 1024
}

/** True for a power of two from 512 to 2 MiB. */
export function isClusterSize(size: number): boolean {
  return isPowerOfTwo(size) && size >= 512 && size <= 2 * 1024 * 1024
}

function unitRule(isRight: (size: number) => boolean, expected: string): Rule {
  return (value, name) => {
    const size = whole(0)(value, name) as number
    if (!isRight(size)) throw new RangeError(`${name}: expected ${expected}, got ${size}`)
    return size
  }
}

export const groupUnit = unitRule(isGroupUnit, 'a power of two from 512 to 65536')

export const convertRules: Rules = {
  ...writerRules,
  ...backingRules,
  force: forceOf(...newImageForceWords),
  inputFormat: oneOf(imageFormatWords),
  format: oneOf(imageFormatWords),
  bmap: paths.any,
  outputBacking: paths.any,
  outputBackingFormat: oneOf(imageFormatWords),
  pathStyle,
  clusterSize: unitRule(isClusterSize, 'a power of two from 512 to 2097152'),
  compress: flag,
  zeroUnit: unitRule(isZeroUnit, '0 or a power of two from 512 to 262144'),
  unit: groupUnit,
  allowShort: flag,
}
