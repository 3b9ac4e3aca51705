import type { Command } from 'commander'
import type { CliContext, Finish } from './context.js'

/** Gives a command its arguments, options and action. */
export type Configure = (command: Command, context: CliContext, finish: Finish) => void

/** The options that a command got, by their names in camel case. */
type GivenOptions = Readonly<Record<string, unknown>>

/** A verb: what the help says about it, and where its code is. */
export interface Verb {
  readonly name: string
  /** One line of the help. */
  readonly summary: string
  /** The command changes or makes files: always, never, or when it gets these options and arguments. */
  readonly writes: boolean | ((options: GivenOptions, args: readonly string[]) => boolean)
  /** The exit status where other verbs have 1: for a verb whose status 1 is an answer. */
  readonly failedStatus?: number
  /** Verbs below this one, with options of their own. */
  readonly actions?: readonly Verb[]
  /** Actions that share the options of this verb. */
  readonly plainActions?: readonly string[]
  /** The arguments, or the option with its dashes, that may be "-", for standard input or standard output. */
  readonly dash?: string | readonly string[]
  /** Loads the code only when the verb is used: loading takes most of the time of a short command. */
  readonly load: () => Promise<Configure>
}
