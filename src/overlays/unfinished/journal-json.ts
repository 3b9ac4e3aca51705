import type { ProcessIdentity } from '../../machine/processes/process-identity.js'

/** What a journal records to recognize a file. Device numbers can change with a restart, the rest does not. */
export interface PinnedFile {
  readonly path: Buffer
  readonly device: bigint
  readonly inode: bigint
}

/** What a journal records to recognize an overlay. */
export interface PinnedOverlay extends PinnedFile {
  /** Digest of the header without its mtime, which the merge changes. */
  readonly headerDigest: string
  /** The mtime in the header before the merge. */
  readonly mtime: number
}

/** A kept sibling, or the undo overlay. */
export interface PinnedSibling extends PinnedOverlay {
  /** Its header leads to the backing file from here. For a sibling in a jail, the rest of its header decides. */
  readonly leads: boolean
}

/** What happens to the overlay after its sectors are in the backing file. */
export type Afterwards =
  /** It stays as it is, with the new mtime. */
  | 'keep'
  /** It stays byte for byte; the kernel then refuses it. */
  | 'leave'
  /** It is emptied. */
  | 'reset'
  /** It is removed. */
  | 'delete'

export const allAfterwards: readonly Afterwards[] = ['keep', 'leave', 'reset', 'delete']

export interface MergeJournal {
  readonly process: ProcessIdentity
  /** ISO 8601. */
  readonly started: string
  /** `preparing`: the merge has changed no byte of the backing file's content. `abandoning`: the user gave up. */
  readonly phase: 'preparing' | 'writing' | 'abandoning'
  readonly overlay: PinnedOverlay
  readonly backing: PinnedFile & {
    readonly size: number
    readonly mtime: number
    /** Nanoseconds after the whole seconds of its mtime. */
    readonly mtimeNanoseconds: number
    readonly kind: 'file' | 'blockDevice'
  }
  /** Modification times of the backing file: before the merge wrote this journal, during the merge, and after it. */
  readonly mtimes: { readonly shown: number; readonly invalid: number; readonly final: number }
  /** Siblings that the merge keeps. It copies sectors into them, and sets the mtime in their headers at the end. */
  readonly siblings: readonly PinnedSibling[]
  /** The undo overlay, recorded like a sibling; null for none. */
  readonly backup: PinnedSibling | null
  readonly afterwards: Afterwards
  readonly noSync: boolean
  readonly verify: boolean
  readonly allowShort: boolean
  /** The overlay's header leads to the backing file, so it gets the new mtime. */
  readonly leadsToBacking: boolean
}

export const journalKind = 'umlcow in-place merge 1'
export const markerKind = 'umlcow merging 1'

// In the JSON, a path is text where its bytes are UTF-8, else { base64 }. Device and inode are strings, because they
// have 64 bits.

function pathJson(path: Buffer): unknown {
  const text = path.toString('utf8')
  return Buffer.from(text).equals(path) ? text : { base64: path.toString('base64') }
}

function pinJson(pin: PinnedFile): Record<string, unknown> {
  return { ...pin, path: pathJson(pin.path), device: String(pin.device), inode: String(pin.inode) }
}

export function serializeJournal(journal: MergeJournal): Buffer {
  const document = {
    kind: journalKind,
    ...journal,
    overlay: pinJson(journal.overlay),
    backing: pinJson(journal.backing),
    siblings: journal.siblings.map(pinJson),
    backup: journal.backup === null ? null : pinJson(journal.backup),
  }
  return Buffer.from(`${JSON.stringify(document, null, 1)}\n`)
}

export function serializeMarker(overlayPath: Buffer): Buffer {
  return Buffer.from(`${JSON.stringify({ kind: markerKind, overlay: pathJson(overlayPath) })}\n`)
}
