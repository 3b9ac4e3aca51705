import type { Verb } from './verb.js'

/** A heading of the help and the verbs below it. */
export interface VerbGroup {
  readonly title: string
  readonly verbs: readonly Verb[]
}

/** All actions of a verb: those that share its options, and those with options of their own. */
export function actionsOf(verb: Verb | undefined): readonly string[] {
  return [...(verb?.plainActions ?? []), ...(verb?.actions ?? []).map(({ name }) => name)]
}
