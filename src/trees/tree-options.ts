import { flag, object, operationRules, type Rules } from '../machine/arguments.js'
import type { OperationOptions } from '../machine/operation.js'
import type { TreeReader } from './host/tree-reader.js'
import type { TreeWriter } from './host/tree-writer.js'

/** What every operation takes that reads a tree. */
export interface SourceOptions extends OperationOptions {
  /** How the host's trees are read; another implementation can record or fail it. */
  readonly reader?: TreeReader | undefined
}

/** What every operation takes that may change a tree. */
export interface TreeOptions extends SourceOptions {
  /** How the host's trees are changed; another implementation can record or fail it. */
  readonly writer?: TreeWriter | undefined
  /** Skip every sync of the disk. */
  readonly noSync?: boolean | undefined
}

export const sourceRules: Rules = { ...operationRules, reader: object }

export const treeRules: Rules = { ...sourceRules, writer: object, noSync: flag }
