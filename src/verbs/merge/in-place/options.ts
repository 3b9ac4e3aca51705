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
} from '../../../machine/arguments.js'
import type { ForceWord } from '../../../machine/findings.js'
import type { OperationOptions } from '../../../machine/operation.js'
import type { BackingOptions } from '../../../overlays/backing.js'
import { type Afterwards, allAfterwards } from '../../../overlays/unfinished/merge-journal.js'
import { bufferSize } from '../options.js'

export interface InPlaceOptions extends OperationOptions, Omit<BackingOptions, 'chain'> {
  /** What happens to the overlay afterwards; default `keep`. */
  readonly afterwards?: Afterwards | undefined
  /** Copy what the merge changes into the other overlays on the backing file first, and refresh their headers. */
  readonly keepSiblings?: boolean | undefined
  /** Directories to look for siblings in, with all below them, beside those of the overlay and the backing file. */
  readonly siblingsIn?: readonly string[] | undefined
  /** Save the sectors that are overwritten as an overlay under this name, whose merge takes this one back. */
  readonly backup?: string | undefined
  /** Read back and compare what was written, before the overlay is touched. */
  readonly verify?: boolean | undefined
  /** Bytes moved at a time, a multiple of 4096 from 4 KiB to 16 MiB; default 256 KiB. */
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

/** What finishes or gives up a merge in place takes. */
export const resumeRules: Rules = { ...operationRules, force, siblingsIn: listOf(paths.plain) }

/** A sibling that was kept whole. */
export interface KeptSibling {
  readonly path: Buffer
  /** Bytes that it took of the old content. */
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
  /** False when the backing file held all of it already. */
  readonly changed: boolean
  /** It took up a merge that was begun before. */
  readonly resumed: boolean
  readonly siblings: readonly KeptSibling[]
  /** Overlays on the backing file that were left as they are, and that the kernel refuses. */
  readonly leftSiblings: readonly Buffer[]
  readonly backup: Buffer | null
  /** The mtime that the backing file and the headers have now, seconds since 1970; null when nothing was changed. */
  readonly mtime: number | null
  /** How what was written was read back: from the disk, or from the page cache where nothing else was to be had. */
  readonly verified: 'disk' | 'cache' | null
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}
