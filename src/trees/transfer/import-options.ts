import { flag, nameOrNumber, oneOf, paths, type Rules, required, text, whole } from '../../machine/arguments.js'
import { type StreamFormat, streamFormats, type TreeFormat, treeFormats } from '../kinds/table.js'
import { type TreeOptions, treeRules } from '../tree-options.js'

/** Where a manifest comes from: a file, the directory that a tree is in, or bytes that come once. */
export type ImportInput = string | { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }

export interface ImportHumfsOptions extends TreeOptions {
  readonly from: StreamFormat | TreeFormat
  /** Where the files lie that mtree text, a save file or a pseudo file tells of. */
  readonly tree?: string | undefined
  /** Names or numbers; ourselves where they are not given. */
  readonly owner?: string | number | undefined
  readonly group?: string | number | undefined
  /** Bytes that the guest sees as the size of the file system; twice what is used where it is not given. */
  readonly size?: number | undefined
  /** Directories called `metadata` get this at the end of their name. */
  readonly renameMetadata?: string | undefined
  readonly dryRun?: boolean | undefined
}

export const importRules: Rules = {
  ...treeRules,
  from: required(oneOf([...streamFormats, ...treeFormats])),
  tree: paths.plain,
  owner: nameOrNumber,
  group: nameOrNumber,
  size: whole(0),
  renameMetadata: text,
  dryRun: flag,
}

/** Bytes that come once. */
export function isStream(input: unknown): input is Exclude<ImportInput, string> {
  return typeof input === 'object' && input !== null && 'bytes' in input
}

export interface ImportHumfsResult {
  /** Null where none was given. */
  readonly directory: string | null
  readonly from: StreamFormat | TreeFormat
  /** Names in data, the top included. */
  readonly entries: number
  /** Null after a dry run, which does not see what the host would store. */
  readonly used: number | null
  readonly total: number | null
  readonly uid: number
  readonly gid: number
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}
