import type { UmlcowError } from '../errors.js'
import { type CliContext, errorLines } from './context.js'
import { exitStatus } from './exit-status.js'
import { tell } from './messages.js'

/** Tells which paths a command leaves out, and why. The others are shown, as coreutils do. */
export class LeftOut {
  /** That of the first path that is left out. */
  status: number = exitStatus.done
  private readonly context: CliContext

  constructor(context: CliContext) {
    this.context = context
  }

  readonly onLeftOut = (error: UmlcowError): void => {
    tell(errorLines(error))
    if (this.status === exitStatus.done) this.status = this.context.statusOf(error)
  }
}
