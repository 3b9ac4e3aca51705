import type { ImageFormat } from '../../images/image-formats.js'
import { type ForceWord, newImageForceWords } from '../../machine/findings.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { backingRules, flag, forceOf, type Rules, text, writerRules } from '../../machine/option-rules.js'
import type { BackingOptions } from '../../overlays/inspect-backing.js'
import { groupUnit } from '../convert/options.js'

/** Options of `compact`. */
export interface CompactOptions extends OperationOptions, BackingOptions {
  /** Write the compact image to this new file, and leave the original as it is. */
  readonly output?: string | undefined
  /**
   * Drop aligned groups of this many bytes that are equal to the backing file: a power of two from 512 to 64 KiB.
   * Default 4096: the kernel fails over overlays with a part of such a group.
   */
  readonly unit?: number | undefined
  /** Compress the clusters of a qcow2 image. */
  readonly compress?: boolean | undefined
  /** Replace the file of `output`. */
  readonly overwrite?: boolean | undefined
  /** Findings to override: `in-use`, `mtime`, `size`, `leaks`, `siblings`. */
  readonly force?: readonly ForceWord[] | undefined
  readonly allowShort?: boolean | undefined
  /** Find out how much it would save, change nothing. */
  readonly dryRun?: boolean | undefined
  readonly noSync?: boolean | undefined
}

export interface CompactResult {
  readonly path: string
  /** The new file; null when the original was or would be replaced. */
  readonly output: string | null
  readonly format: ImageFormat
  readonly virtualSize: number
  /** Bytes that the host stores of the original. */
  readonly allocatedBefore: number
  /** Bytes that the host stores of the compact image; for a dry run an estimate. */
  readonly allocatedAfter: number
  /** Guest bytes that were left to the backing file. */
  readonly droppedBytes: number
  /** False: the compact image would not be smaller, or this is a dry run, and the original is still there. */
  readonly replaced: boolean
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

export const compactRules: Rules = {
  ...writerRules,
  ...backingRules,
  force: forceOf(...newImageForceWords, 'siblings'),
  output: text,
  unit: groupUnit,
  compress: flag,
  allowShort: flag,
}
