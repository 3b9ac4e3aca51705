import type { ForceWord } from '../../machine/findings.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import type { BackingOptions } from '../../overlays/inspect-backing.js'

export interface CheckOptions extends OperationOptions, BackingOptions {
  /** Repair every finding that has a certain repair. */
  readonly repair?: boolean | undefined
  /** Also read the data: find allocated sectors that equal those of the backing file. */
  readonly deep?: boolean | undefined
  /** Do not look at the backing file. */
  readonly noBacking?: boolean | undefined
  readonly force?: readonly ForceWord[] | undefined
  /** With `repair`: report what a repair would change, and change nothing. */
  readonly dryRun?: boolean | undefined
}

/** Damage: data may be lost or wrong. Waste: unused space. Note: worth knowing. Unknown: `check` could not look. */
export type Severity = 'damage' | 'waste' | 'note' | 'unknown'
