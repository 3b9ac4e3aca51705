import { oneOf, type Rules, text } from '../../machine/option-rules.js'
import type { TreeHost } from '../host/tree-host.js'
import { type TreeOptions, treeRules } from '../tree-options.js'
import { duplicateRules } from './tree-plan.js'

export interface NewTreeOptions extends TreeOptions {
  /** Name of the input, for messages. */
  readonly name?: string | undefined
  /** What to do when a name comes twice: take the later entry, or refuse the input. The default is `last`. */
  readonly duplicates?: 'last' | 'refuse' | undefined
}

export const newTreeRules: Rules = { ...treeRules, name: text, duplicates: oneOf(duplicateRules) }

/** A new tree in its work directory, which no other user can enter. */
export interface NewTree extends TreeHost {
  /** The top of the tree. */
  readonly top: Buffer
  /** A free name in the work directory, on the same file system. */
  readonly draft: Buffer
  /** A free name in the work directory, for a list of extended attributes. */
  readonly attributes: Buffer
  readonly options: NewTreeOptions
  /** The umask of this process. */
  readonly umask: number
}
