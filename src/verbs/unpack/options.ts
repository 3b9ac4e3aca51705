import type { PackMember } from '../../formats/pack/manifest.js'
import type { ForceWord } from '../../machine/findings.js'
import type { OperationOptions } from '../../machine/operation-options.js'
import { flag, forceOf, paths, type Rules, whole, writerRules } from '../../machine/option-rules.js'
import type { MtimePrecision } from '../../machine/preserve-mtime.js'

/** A pack: a file, or bytes that can be read once. */
export type PackSource = string | { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }

export interface ReadPackOptions extends OperationOptions {
  /** The most bytes of all files together, with their holes; default 1 TiB. To digest so many takes ten minutes. */
  readonly maxSize?: number | undefined
}

export interface UnpackOptions extends ReadPackOptions {
  /** Where the files go; default the current directory. */
  readonly directory?: string | undefined
  /** The backing file of a delta pack, which must have the digest that the pack says. */
  readonly backing?: string | undefined
  /** Leave the headers of overlays as they are in the pack. */
  readonly keepHeaders?: boolean | undefined
  /** Store the paths of backing files relative to the overlays. */
  readonly relative?: boolean | undefined
  readonly overwrite?: boolean | undefined
  /** `in-use`: replace files that a process writes to; `room`: go on although the disk may become full. */
  readonly force?: readonly ForceWord[] | undefined
  /** Read the manifest, check all places, and write nothing. */
  readonly dryRun?: boolean | undefined
  readonly noSync?: boolean | undefined
}

export const readPackRules: Rules = { ...writerRules, maxSize: whole(0), force: forceOf('in-use', 'room') }

export const unpackRules: Rules = {
  ...readPackRules,
  directory: paths.plain,
  backing: paths.plain,
  keepHeaders: flag,
  relative: flag,
}

/** What a pack holds. */
export interface PackContents {
  readonly members: readonly PackMember[]
  readonly warnings: readonly string[]
}

/** A file that `unpack` has made. */
export interface UnpackedFile {
  readonly member: PackMember
  readonly path: Buffer
  /** How exactly the file got its modification time; null in a dry run. */
  readonly mtime: MtimePrecision | null
  /** The path in the header of an overlay now; null for other files, and in a dry run. */
  readonly backingPath: Buffer | null
}

export interface UnpackResult {
  readonly directory: string
  readonly files: readonly UnpackedFile[]
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}
