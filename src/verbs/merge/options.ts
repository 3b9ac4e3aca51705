import { type Copier, copiers } from '../../engine/choose-copier.js'
import { assertWindowSize } from '../../engine/window-size.js'
import { type ForceWord, newImageForceWords } from '../../machine/findings.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { backingRules, flag, forceOf, oneOf, type Rule, type Rules, writerRules } from '../../machine/option-rules.js'
import type { BackingOptions } from '../../overlays/inspect-backing.js'

/** Options of a merge into a new file or a pipe. */
export interface NewImageOptions extends OperationOptions, BackingOptions {
  /** Replace TARGET when it is a regular file and not an input, an overlay or a backing file. */
  readonly overwrite?: boolean | undefined
  /**
   * `auto` (the default): holes stay holes, and blocks of zeros become holes when one pass merges both files; `always`:
   * every block of zeros becomes a hole; `never`: the host stores every byte.
   */
  readonly sparse?: 'auto' | 'always' | 'never' | undefined
  /** How to copy the backing file's part; `auto` (the default): the fastest way that works. */
  readonly copier?: 'auto' | Copier | undefined
  /** Bytes per read or write, a multiple of 4096 from 4 KiB to 16 MiB; default 256 KiB. */
  readonly bufferSize?: number | undefined
  /** Read the new file back and compare it with the overlay and the backing file. */
  readonly verify?: boolean | undefined
  /** Findings to override: `in-use`, `mtime`, `size`, `leaks`. */
  readonly force?: readonly ForceWord[] | undefined
  /** Allocated sectors beyond the end of the overlay read as zeros, as in the kernel. */
  readonly allowShort?: boolean | undefined
  /** Check everything, change nothing. */
  readonly dryRun?: boolean | undefined
  /** Skip every fsync: for throwaway images. */
  readonly noSync?: boolean | undefined
}

/** Check the bytes per read or write. */
export const bufferSize: Rule = (value, name) => {
  if (typeof value !== 'number') throw new TypeError(`${name}: expected a number, got ${String(value)}`)
  assertWindowSize(value)
  return value
}

export const newImageRules: Rules = {
  ...writerRules,
  ...backingRules,
  force: forceOf(...newImageForceWords),
  sparse: oneOf(['auto', 'always', 'never']),
  copier: oneOf(['auto', ...copiers]),
  bufferSize,
  verify: flag,
  allowShort: flag,
}
