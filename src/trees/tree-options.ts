import type { OperationOptions } from '../machine/operation-options.js'
import { flag, object, operationRules, type Rules } from '../machine/option-rules.js'
import type { TreeReader } from './host/tree-reader.js'
import type { TreeWriter } from './host/tree-writer.js'

/** The options of every operation that reads a tree. */
export interface SourceOptions extends OperationOptions {
  /** Reads the host's trees. Another implementation can record the calls or make them fail. */
  readonly reader?: TreeReader | undefined
}

/** The options of every operation that may change a tree. */
export interface TreeOptions extends SourceOptions {
  /** Changes the host's trees. Another implementation can record the calls or make them fail. */
  readonly writer?: TreeWriter | undefined
  /** Skip every sync of the disk. */
  readonly noSync?: boolean | undefined
}

export const sourceRules: Rules = { ...operationRules, reader: object }

export const treeRules: Rules = { ...sourceRules, writer: object, noSync: flag }
