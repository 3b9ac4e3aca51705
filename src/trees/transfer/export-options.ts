import type { ForceWord } from '../../machine/findings.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { flag, forceOf, oneOf, paths, type Rules, required, writerRules } from '../../machine/option-rules.js'
import { type StreamFormat, streamFormats, type WrittenTree, writtenTrees } from '../kinds/table.js'
import type { TreeSource } from '../source/tree-source.js'
import { type TreeOptions, treeRules } from '../tree-options.js'

export interface ExportOptions extends OperationOptions {
  readonly format: StreamFormat
  /** Replace the output when it is a regular file that is not part of what is read. */
  readonly overwrite?: boolean | undefined
  /** Findings to override. */
  readonly force?: readonly ForceWord[] | undefined
  /** Leave sockets out. */
  readonly noSockets?: boolean | undefined
  /** For squashfs: a new file with the names that `mksquashfs -ef` must leave out of the tree. */
  readonly excludeFile?: string | undefined
  /** Skip every fsync. */
  readonly noSync?: boolean | undefined
  /** Check everything, write nothing. */
  readonly dryRun?: boolean | undefined
}

export interface ExportTreeOptions extends TreeOptions, Pick<ExportOptions, 'dryRun'> {
  readonly format: WrittenTree
}

export interface ExportResult {
  readonly format: StreamFormat | WrittenTree
  /** Null for a pipe. */
  readonly target: string | null
  /** Names in the tree, the top included. */
  readonly entries: number
  /** Bytes of content in the tree. */
  readonly size: number
  /** Bytes written to the output; null for a dry run, and for a tree. */
  readonly written: number | null
  readonly excludeFile: string | null
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

export const exportRules: Rules = {
  ...writerRules,
  force: forceOf('in-use'),
  format: required(oneOf(streamFormats)),
  noSockets: flag,
  excludeFile: paths.plain,
}

export const exportTreeRules: Rules = { ...writerRules, ...treeRules, format: required(oneOf(writtenTrees)) }

/** Check that a value is an open source. @throws TypeError */
export function assertSource(source: TreeSource): void {
  if (typeof source?.survey === 'function' && typeof source.items === 'function') return
  throw new TypeError('source: expected a tree that is open, as from openHumfsSource or openDirectorySource')
}
