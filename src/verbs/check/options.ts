import type { ForceWord } from '../../machine/findings.js'
import type { OperationOptions } from '../../machine/operation.js'
import type { BackingOptions } from '../../overlays/backing.js'

export interface CheckOptions extends OperationOptions, BackingOptions {
  /** Mend what can be mended without a doubt. */
  readonly repair?: boolean | undefined
  /** Read the data, too: find allocated sectors that equal the backing file's. */
  readonly deep?: boolean | undefined
  /** Do not look at the backing file. */
  readonly noBacking?: boolean | undefined
  readonly force?: readonly ForceWord[] | undefined
  /** With `repair`: tell what would be mended, change nothing. */
  readonly dryRun?: boolean | undefined
}

/** Damage: data may be lost or wrong. Waste: space without use. Note: worth knowing. Unknown: could not be checked. */
export type Severity = 'damage' | 'waste' | 'note' | 'unknown'
