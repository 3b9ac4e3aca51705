import { printablePath } from '../../bytes/escape.js'
import { type ErrorCode, errorCodes, UmlcowError } from '../../errors.js'
import type { FileIdentity } from '../../formats/fakeroot/index.js'
import type { EntryType, ManifestEntry, ManifestItem } from '../../formats/manifest/index.js'
import type { TimedFacts } from '../host/tree-facts.js'
import type { LinkFacts } from '../link-table.js'
import type { FoundName } from '../walk/walk-open-directories.js'

/** The facts of a name of a tree, except its path, its times and its other names. */
export type NameFacts = Pick<ManifestEntry, 'type' | 'mode' | 'uid' | 'gid' | 'device' | 'linkTarget' | 'size'>

/** How to read a directory as a tree. */
export interface TreeReading {
  /** The directory that is the top of the tree. */
  readonly top: Buffer
  /** The top may be a link to a directory. */
  readonly followTop: boolean
  /** The name of the top in messages. */
  readonly shown: string
  /** Code of the error that reports all damage of the tree. If null, the first error ends the survey. */
  readonly damageCode: ErrorCode | null
  /** @throws UmlcowError when the metadata of the name is damaged */
  describe(found: FoundName): NameFacts
  /** Makes a `describe` for a survey, which may note what it reads for the `describe` of `describeAgain`. */
  readonly describeFirst?: (() => (found: FoundName) => NameFacts) | undefined
  /** Makes a `describe` for a walk after a survey. It need not read again what the survey noted. */
  readonly describeAgain?: (() => (found: FoundName) => NameFacts) | undefined
  /** Names that do not belong to the tree. */
  readonly skips?: ((directory: Buffer, name: Buffer) => boolean) | undefined
  /** @throws UmlcowError when the tree cannot be read now */
  readonly refuseUnfit?: (() => void) | undefined
  /** Reads what `describe` needs, before a survey. */
  readonly prepare?: (() => Promise<void>) | undefined
  /** Whether `describe` takes an extended attribute. All others are lost. */
  readonly takesAttribute?: ((attribute: string) => boolean) | undefined
  /** Warnings about what a survey saw. */
  readonly notes?: (() => readonly string[]) | undefined
}

/** An item with the host's file that it comes from. */
export interface SourceItem extends ManifestItem {
  /** The host's file; null when the item comes from inside an image. */
  readonly identity: FileIdentity | null
  /** The type of the host's file. From an image: the type that an extracted tree has; null where it lacks the file. */
  readonly hostType: EntryType | null
}

/** What a check of an entry needs to know of the host's file. */
export type HostFile = Pick<TimedFacts, 'type' | 'device' | 'inode'>

export interface SurveyOptions {
  /**
   * Checks an entry; `host` is null when it comes from inside an image, and `hostType` is as in `SourceItem`.
   *
   * @throws UmlcowError ENTRY_UNFIT when the target cannot represent it
   */
  readonly check?: ((entry: ManifestEntry, hostType: EntryType | null, host: HostFile | null) => void) | undefined
  /** Called with every name. */
  readonly onName?: ((found: { readonly path: Buffer; readonly facts: LinkFacts }) => void) | undefined
  /** The caller will read content, so the survey checks read permission. */
  readonly content?: boolean | undefined
  /** The target is a copy of the tree, so the survey warns about every extended attribute. */
  readonly attributes?: boolean | undefined
  /** The caller looks for the marks of other programs among the names, and warns about them. */
  readonly looksForMarks?: boolean | undefined
}

export interface ItemsOptions {
  /** Receives 1 after each item, and the number of bytes after each piece of content: for progress. */
  readonly onAdvance?: ((count: number) => void) | undefined
  /** False: nothing will read the content. Default: true */
  readonly content?: boolean | undefined
}

export interface TreeSurvey {
  /** Names, the top included. */
  readonly entries: number
  /** Bytes of content. */
  readonly size: number
}

/** A tree on the disk or inside an image, open for reading. */
export interface TreeSource {
  readonly top: Buffer
  /** Files and directories of the tree. No output may be one of them, or lie in one. */
  readonly parts: readonly Buffer[]
  /** What is odd about the tree, and what a copy of it loses; complete after a survey. */
  readonly warnings: readonly string[]
  /**
   * Look at every name, and read no content.
   *
   * @throws UmlcowError with every problem of the tree
   */
  survey(options?: SurveyOptions): Promise<TreeSurvey>
  /**
   * Read the tree, after a survey. Read the content of an item before you ask for the next item.
   *
   * @throws UmlcowError INPUT_CHANGED, and the errors of the survey
   */
  items(options?: ItemsOptions): AsyncGenerator<SourceItem>
}

export function entryOf(found: FoundName, facts: NameFacts, hardLinkTo: Buffer | null): ManifestEntry {
  const { path } = found
  const { type, mode, uid, gid, device, linkTarget, size } = facts
  const { nlink, mtimeNs } = found.facts
  if (type === 'directory') {
    return { path, type, mode, uid, gid, device, linkTarget, size, hardLinkTo, mtimeNs, xattrs: null }
  }
  return { path, type, mode, uid, gid, device, linkTarget, size, hardLinkTo, mtimeNs, xattrs: null, linkCount: nlink }
}

/** Write a path of the tree for messages. */
export function nameIn({ shown }: TreeReading, path: Buffer): string {
  return path.length === 0 ? shown : `${shown}/${printablePath(path)}`
}

/** Add the path to an error that does not have it yet. */
export function located(reading: TreeReading, path: Buffer, error: unknown): unknown {
  if (!(error instanceof UmlcowError) || !(error.code in errorCodes)) return error
  if (error.code === 'ENTRY_UNFIT' || error.code === 'INTERRUPTED') return error
  const { details, hint } = error
  return new UmlcowError(error.code, `${nameIn(reading, path)}: ${error.message}`, { details, hint, cause: error })
}
