import type { ProcessIdentity } from '../../machine/processes/process-identity.js'

/** A file as the journal knows it again: device numbers can change with a restart, the rest does not. */
export interface PinnedFile {
  readonly path: Buffer
  readonly device: bigint
  readonly inode: bigint
}

/** An overlay as the journal knows it again. */
export interface PinnedOverlay extends PinnedFile {
  /** Of the header, without the mtime, which the merge is going to change. */
  readonly headerDigest: string
  /** The mtime in the header before the merge. */
  readonly mtime: number
}

/** A kept sibling, or the undo overlay. */
export interface PinnedSibling extends PinnedOverlay {
  /** Its header leads to the backing file from here. One in a jail counts by what else its header says. */
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
  /** `preparing`: not a byte of the backing file's content has been changed; `abandoning`: the user gave up. */
  readonly phase: 'preparing' | 'writing' | 'abandoning'
  readonly overlay: PinnedOverlay
  readonly backing: PinnedFile & {
    readonly size: number
    readonly mtime: number
    /** What comes after the whole seconds of its mtime. */
    readonly mtimeNanoseconds: number
    readonly kind: 'file' | 'blockDevice'
  }
  /** Of the backing file: when this journal was written, while it is written itself, and for good. */
  readonly mtimes: { readonly shown: number; readonly invalid: number; readonly final: number }
  /** Siblings that are kept: copied up, and refreshed at the end. */
  readonly siblings: readonly PinnedSibling[]
  /** The undo overlay, one of the siblings' kind. */
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

// JSON: paths as text where they are text, else as { base64 }; device and inode as strings, for they have 64 bits.

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
