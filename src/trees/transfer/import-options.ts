import {
  flag,
  nameOrNumber,
  object,
  oneOf,
  paths,
  type Rules,
  required,
  text,
  whole,
} from '../../machine/option-rules.js'
import type { ImageSourceOptions } from '../kinds/image/source.js'
import { type StreamFormat, streamFormats, type TreeFormat, treeFormats } from '../kinds/table.js'
import { duplicateRules } from '../new-tree/tree-plan.js'
import { type TreeOptions, treeRules } from '../tree-options.js'

/** What an import reads: a stream, a tree, or the file system inside an image. */
export type ImportFormat = StreamFormat | TreeFormat | 'image'

export const importFormats: readonly ImportFormat[] = [...streamFormats, ...treeFormats, 'image']

/** The input of an import: a file, the directory of a tree, or bytes that can be read once. */
export type ImportInput = string | { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }

export interface ImportHumfsOptions extends TreeOptions {
  readonly from: ImportFormat
  /** For `image`: how to open the image and the file system in it. */
  readonly image?: ImageSourceOptions | undefined
  /** The directory with the files that mtree text, a save file or a pseudo file without data describes. */
  readonly tree?: string | undefined
  /** Name or number; the default is the user who runs umlcow. */
  readonly owner?: string | number | undefined
  readonly group?: string | number | undefined
  /** Bytes that the guest sees as the size of the file system; the default is twice the used size. */
  readonly size?: number | undefined
  /** Suffix for the names of directories called `metadata`. */
  readonly renameMetadata?: string | undefined
  /** What to do when a name comes twice: take the later entry, or refuse the input. The default is `last`. */
  readonly duplicates?: 'last' | 'refuse' | undefined
  readonly dryRun?: boolean | undefined
}

export const importRules: Rules = {
  ...treeRules,
  from: required(oneOf(importFormats)),
  image: object,
  tree: paths.plain,
  owner: nameOrNumber,
  group: nameOrNumber,
  size: whole(0),
  renameMetadata: text,
  duplicates: oneOf(duplicateRules),
  dryRun: flag,
}

/** Whether an input is bytes that can be read once. */
export function isStream(input: unknown): input is Exclude<ImportInput, string> {
  return typeof input === 'object' && input !== null && 'bytes' in input
}

export interface ImportHumfsResult {
  /** Null if none was given. */
  readonly directory: string | null
  readonly from: ImportFormat
  /** Names in data, the top included. */
  readonly entries: number
  /** Null after a dry run, which does not know how many bytes the host would store. */
  readonly used: number | null
  readonly total: number | null
  readonly uid: number
  readonly gid: number
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}
