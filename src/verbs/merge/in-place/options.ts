import type { ForceWord } from '../../../machine/findings.js'
import type { OperationOptions } from '../../../machine/operation-options.js'
import {
  backingRules,
  flag,
  force,
  forceOf,
  listOf,
  oneOf,
  operationRules,
  paths,
  type Rules,
  writerRules,
} from '../../../machine/option-rules.js'
import type { BackingOptions } from '../../../overlays/inspect-backing.js'
import { type Afterwards, allAfterwards } from '../../../overlays/unfinished/merge-journal.js'
import { bufferSize } from '../options.js'

export interface InPlaceOptions extends OperationOptions, Omit<BackingOptions, 'chain'> {
  /** What to do with the overlay afterwards; default `keep`. */
  readonly afterwards?: Afterwards | undefined
  /** First copy the sectors that the merge overwrites into the siblings, and refresh their headers. */
  readonly keepSiblings?: boolean | undefined
  /**
   * Also search these directories and all below them for siblings. The directories of the overlay and the backing file
   * are always searched.
   */
  readonly siblingsIn?: readonly string[] | undefined
  /** Save the overwritten sectors as an undo overlay under this name. To take this merge back, merge that overlay. */
  readonly backup?: string | undefined
  /** Read the written sectors back and compare them, before the merge changes the overlay. */
  readonly verify?: boolean | undefined
  /** Bytes per read or write, a multiple of 4096 from 4 KiB to 16 MiB; default 256 KiB. */
  readonly bufferSize?: number | undefined
  /** Findings to override: `in-use`, `mtime`, `siblings`, `room`. */
  readonly force?: readonly ForceWord[] | undefined
  /** Allocated sectors beyond the end of the overlay read as zeros, as in the kernel. */
  readonly allowShort?: boolean | undefined
  /** Check everything, change nothing. */
  readonly dryRun?: boolean | undefined
  /** Skip every fsync: for throwaway images. */
  readonly noSync?: boolean | undefined
}

export const inPlaceRules: Rules = {
  ...writerRules,
  ...backingRules,
  force: forceOf('in-use', 'mtime', 'siblings', 'room'),
  afterwards: oneOf(allAfterwards),
  keepSiblings: flag,
  siblingsIn: listOf(paths.plain),
  backup: paths.plain,
  verify: flag,
  bufferSize,
  allowShort: flag,
}

/** The options to resume or abandon a merge in place. */
export const resumeRules: Rules = { ...operationRules, force, siblingsIn: listOf(paths.plain) }

/** A sibling that the merge kept whole. */
export interface KeptSibling {
  readonly path: Buffer
  /** Bytes of the old content that the merge copied into it. */
  readonly copiedLength: number
}

export interface InPlaceResult {
  readonly inPlace: true
  readonly overlay: Buffer
  readonly backing: Buffer
  readonly virtualSize: number
  readonly sectorSize: number
  readonly allocatedSectors: number
  readonly afterwards: Afterwards
  /** False when the backing file held all changes already. */
  readonly changed: boolean
  /** True when this run finished a merge that an earlier run began. */
  readonly resumed: boolean
  readonly siblings: readonly KeptSibling[]
  /** Siblings that the merge did not change and that the kernel refuses. */
  readonly leftSiblings: readonly Buffer[]
  readonly backup: Buffer | null
  /** The new mtime of the backing file and the headers, seconds since 1970; null when nothing changed. */
  readonly mtime: number | null
  /** Where `verify` read the sectors: the disk, or the page cache if the file system has no direct reads. */
  readonly verified: 'disk' | 'cache' | null
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}
