import { printablePath } from '../../bytes/escape.js'
import { type ErrorCode, errorCodes, UmlcowError } from '../../errors.js'
import type { FileIdentity } from '../../formats/fakeroot/index.js'
import type { EntryType, ManifestEntry, ManifestItem } from '../../formats/manifest/index.js'
import type { FoundName } from '../walk/walk-open.js'

/** What a name of a tree is, but for its path, its times and its other names. */
export type NameFacts = Pick<ManifestEntry, 'type' | 'mode' | 'uid' | 'gid' | 'device' | 'linkTarget' | 'size'>

/** How the files of a directory are taken for a tree. */
export interface TreeReading {
  /** The directory that is the top of the tree. */
  readonly top: Buffer
  /** It may be a link to one. */
  readonly followTop: boolean
  /** What it is called in messages about what is in it. */
  readonly shown: string
  /** Code of an error that tells of all that is wrong in the tree; null where the first one is told by its own. */
  readonly damageCode: ErrorCode | null
  /** @throws UmlcowError when that cannot be told */
  describe(found: FoundName): NameFacts
  /** Names that do not belong to the tree. */
  readonly skips?: ((directory: Buffer, name: Buffer) => boolean) | undefined
  /** Whether all of it can be read now. @throws UmlcowError */
  readonly refuseUnfit?: (() => void) | undefined
}

/** An item, and the file of the host that it comes from. */
export interface SourceItem extends ManifestItem {
  /** The host's file. */
  readonly identity: FileIdentity
  /** What the host has under this name. */
  readonly hostType: EntryType
}

export interface SurveyOptions {
  /** Refuses what is not to be read. @throws UmlcowError ENTRY_UNFIT */
  readonly check?: ((entry: ManifestEntry, found: FoundName) => void) | undefined
  /** Whether content is going to be read. */
  readonly content?: boolean | undefined
}

export interface TreeSurvey {
  /** Names, the top included. */
  readonly entries: number
  /** Bytes of content. */
  readonly size: number
}

/** A tree on the disk, open for reading. */
export interface TreeSource {
  readonly top: Buffer
  /** Files and directories that no output may be, or be in. */
  readonly parts: readonly Buffer[]
  readonly warnings: readonly string[]
  /**
   * Look at every name and at no content.
   *
   * @throws UmlcowError with all that keeps the tree from being read
   */
  survey(options?: SurveyOptions): Promise<TreeSurvey>
  /**
   * The tree, after a survey. Content is to be read before the next item is asked for.
   *
   * @throws UmlcowError INPUT_CHANGED, and as the survey
   */
  items(): AsyncGenerator<SourceItem>
}

export function entryOf(found: FoundName, facts: NameFacts, hardLinkTo: Buffer | null): ManifestEntry {
  const { path } = found
  const { nlink, mtimeNs } = found.facts
  const entry = { path, ...facts, hardLinkTo, mtimeNs, xattrs: null }
  return facts.type === 'directory' ? entry : { ...entry, linkCount: nlink }
}

/** What a name of the tree is called in messages. */
export function nameIn({ shown }: TreeReading, path: Buffer): string {
  return path.length === 0 ? shown : `${shown}/${printablePath(path)}`
}

/** The same error with the name that it is about, where it does not tell. */
export function located(reading: TreeReading, path: Buffer, error: unknown): unknown {
  if (!(error instanceof UmlcowError) || !(error.code in errorCodes)) return error
  if (error.code === 'ENTRY_UNFIT' || error.code === 'INTERRUPTED') return error
  const { details, hint } = error
  return new UmlcowError(error.code, `${nameIn(reading, path)}: ${error.message}`, { details, hint, cause: error })
}
