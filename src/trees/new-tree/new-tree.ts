import { type Rules, text } from '../../machine/arguments.js'
import type { TreeHost } from '../host/tree-host.js'
import { type TreeOptions, treeRules } from '../tree-options.js'

export interface NewTreeOptions extends TreeOptions {
  /** Name of the input for messages. */
  readonly name?: string | undefined
}

export const newTreeRules: Rules = { ...treeRules, name: text }

/** A tree on its way: nobody else comes to it. */
export interface NewTree extends TreeHost {
  /** Where it is made. */
  readonly top: Buffer
  /** A free name in a directory of ours, on the same file system. */
  readonly draft: Buffer
  readonly options: NewTreeOptions
}
