/** What a code means, and the exit status of a command that fails with it. */
export interface ErrorEntry {
  /** One sentence. */
  readonly meaning: string
  readonly exitStatus: number
  /** The exit status of a command that writes, where it differs. */
  readonly whenWriting?: number
  /** The exit statuses of a command that SIGHUP, SIGINT or SIGTERM stops. */
  readonly afterSignal?: readonly number[]
}

const failed = (meaning: string): ErrorEntry => ({ meaning, exitStatus: 1 })
/** The command refuses in order to protect data. It has changed nothing. */
const refused = (meaning: string): ErrorEntry => ({ meaning, exitStatus: 4 })
/** A command that writes refuses to continue. A command that only reads cannot protect anything: it fails. */
const refusedWhenWriting = (meaning: string): ErrorEntry => ({ meaning, exitStatus: 1, whenWriting: 4 })
const otherFormat = (meaning: string): ErrorEntry => ({ meaning, exitStatus: 63 })

const headerErrors = {
  NOT_COW: otherFormat('The file is not a COW file.'),
  SHORT_HEADER: failed('The file ends inside its header.'),
  BAD_VERSION: failed('The header has an unknown version.'),
  BAD_BYTE_ORDER: failed('The fields of a version 1 header fit neither byte order, or both.'),
  BAD_SECTOR_SIZE: failed('The sector size is not a power of two from 512 bytes to 1 MiB.'),
  BAD_ALIGNMENT: failed('The alignment is not a number from 1 byte to 1 GiB.'),
  BAD_VIRTUAL_SIZE: failed('The virtual size is too large.'),
  BAD_COW_FORMAT: failed('The header names an unknown bitmap format.'),
  BAD_BACKING_PATH: failed('The path of the backing file is empty, or lacks its final NUL.'),
  PATH_TOO_LONG: failed('The path does not fit into the header.'),
  BAD_MTIME: failed('The header or the file system cannot hold a modification time.'),
} as const

const overlayErrors = {
  TRUNCATED_OVERLAY: failed('The file ends before the end of its bitmap or of its allocated sectors.'),
  UNFINISHED_REWRITE: refusedWhenWriting('A rewrite of the header was cut short.'),
} as const

const qcow2Errors = {
  QCOW2_HEADER: failed('A field of the header of a qcow2 image is wrong.'),
  QCOW2_FEATURE: failed('A qcow2 image uses a feature that umlcow does not support, such as encryption.'),
  QCOW2_DAMAGED: failed('A table or a compressed cluster of a qcow2 image is damaged, or the image says that it is.'),
  QCOW2_LEAKS: refused('Clusters of a qcow2 image leaked, and may be data whose table entry was lost.'),
} as const

const fileSystemErrors = {
  FS_UNKNOWN: otherFormat('The image holds no file system that umlcow reads.'),
  FS_UNSUPPORTED: failed('A file system or a file uses a feature that umlcow does not support, such as encryption.'),
  FS_DAMAGED: failed('A structure of a file system or of a partition table is damaged.'),
  FS_NOT_FOUND: failed('A file system has no file of that path.'),
  PARTITION_MISSING: failed('The image has no partition of that number, or you must choose one of several.'),
} as const

const backingErrors = {
  BACKING_MISSING: failed('The backing file does not exist.'),
  BACKING_AMBIGUOUS: refusedWhenWriting('A relative path leads to two different files.'),
  BACKING_SIZE: refusedWhenWriting('The backing file has another size than the header says.'),
  BACKING_MTIME: refusedWhenWriting('The backing file has another modification time than the header says.'),
  BACKING_KIND: refusedWhenWriting('The backing file is neither a regular file nor a block device.'),
  BACKING_SELF: refusedWhenWriting('The overlay names itself as its backing file.'),
  BACKING_IS_COW: refusedWhenWriting('The backing file is itself a COW file.'),
  BACKING_OUTSIDE_ROOT: refusedWhenWriting('The path of the backing file leads out of the given root directory.'),
  BACKING_FORMAT: refusedWhenWriting(
    'The recorded format of the backing file is unknown or wrong, or none is recorded.',
  ),
  CHAIN_TOO_LONG: failed('The chain of backing files is too long, or leads back to its start.'),
} as const

const refusals = {
  SAME_FILE: refused('The output is one of the inputs.'),
  TARGET_EXISTS: refused('The output exists.'),
  TARGET_KIND: refused(
    'The output has the wrong kind or an unusable name, or a path lies in a tree or its work directory.',
  ),
  TARGET_PROTECTED: refused(
    'The output is an overlay, the backing file of an overlay, or part of a tree that is read.',
  ),
  WRITE_PROTECTED: refused('The user may not write to a file that the command would change, replace or remove.'),
  NAME_TOO_LONG: refused(
    'The file system has no room for the name of a journal, a marker, a temporary file or an undo overlay.',
  ),
  IN_USE: refused('A guest, another umlcow or another program uses the file, or umlcow cannot see whether one does.'),
  SIBLINGS: refused('Other overlays share the backing file, and the merge would damage them.'),
  SIBLING_UNKNOWN: refused('A file may be another overlay on the backing file, but umlcow cannot read it.'),
  SIBLING_UNFIT: refused('A sibling lacks sectors that umlcow cannot copy into it.'),
  SIBLING_CHANGED: refused('A sibling of an unfinished merge is missing, or has changed since the merge began.'),
  OVERLAY_NEEDED: refused('Another overlay has this one as its backing file, and its content would change.'),
  UNFINISHED_MERGE: refusedWhenWriting('A merge in place began and did not finish.'),
  NOT_OWNER: refused('Only the owner of a file may set its modification time.'),
  MTIME_UNFIT: refused('The file system cannot hold a modification time that would protect a merge in place.'),
  TOO_MANY_LINKS: refused('A file has more names, or a directory more directories, than the file system takes.'),
  NO_ROOM: refused('The disk has too little room.'),
  PLATFORM: refused('The operating system lacks what umlcow needs to change or write files safely.'),
  BACKING_OTHER: refusedWhenWriting('The header of the overlay leads to another file than the given one.'),
} as const

const inPlaceErrors = {
  JOURNAL_DAMAGED: refusedWhenWriting('The journal of a merge in place cannot be read.'),
  JOURNAL_MISMATCH: refused('The files are not the ones that the journal of the merge names.'),
  NOTHING_UNFINISHED: failed('There is no unfinished merge.'),
  VERIFY_FAILED: failed('The file does not hold what was written.'),
} as const

const archiveErrors = {
  NOT_ARCHIVE: otherFormat('The input does not have the given format.'),
  BAD_ARCHIVE: failed('A field of an archive or manifest is wrong.'),
  TRUNCATED_ARCHIVE: failed('An archive ends too early.'),
  ARCHIVE_FEATURE: failed('An archive uses a feature that umlcow does not support, such as parts of volumes.'),
  UNSAFE_PATH: failed('A path in an archive leads out of its tree.'),
  ENTRY_UNFIT: refusedWhenWriting('The format cannot hold an entry.'),
} as const

const compressionErrors = {
  BAD_COMPRESSED: failed('Compressed data is damaged, so what it unpacks to would be wrong.'),
  TRUNCATED_COMPRESSED: failed('Compressed data ends too early.'),
  NOT_RAW: otherFormat('The input is not a raw image.'),
  INPUT_TOO_LARGE: failed('The input has more bytes than the given size.'),
  NO_CODEC: failed('This version of Node, or umlcow itself, cannot read or write this kind of compressed data.'),
} as const

const packErrors = {
  NOT_PACK: otherFormat('The input is not a pack, because its first member is not a manifest.'),
  BAD_PACK: failed('The manifest of a pack is wrong, or does not fit the files in the pack.'),
  PACK_VERSION: otherFormat('The pack has a version of the format that this umlcow does not know.'),
  PACK_DIGEST: failed('A file in a pack does not have the digest that the manifest says.'),
  PACK_TOO_LARGE: refusedWhenWriting('The files in a pack are larger than the limit.'),
  BACKING_DIGEST: refusedWhenWriting('A backing file does not have the digest that the pack says.'),
} as const

const bmapErrors = {
  BAD_BMAP: failed('A bmap file is damaged, or is not of version 2.0 with SHA-256 digests.'),
  BMAP_MISMATCH: failed('An image does not have the size or the data that its bmap file says.'),
} as const

const humfsErrors = {
  NOT_HUMFS: otherFormat('The directory holds no humfs tree.'),
  HUMFS_SUPERBLOCK: failed('The superblock of a humfs tree cannot be read.'),
  HUMFS_VERSION: otherFormat('The humfs tree does not have version 2.'),
  HUMFS_ENTRY: failed('A metadata entry of a humfs tree is malformed.'),
  HUMFS_ENTRY_TOO_LONG: failed('A metadata entry is longer than the kernel reads.'),
  HUMFS_EXISTS: refused('The directory has humfs metadata already.'),
  HUMFS_UNFIT: refused('humfs cannot hold the tree, or the user may not change it.'),
  HUMFS_UNFINISHED: refused('A humfsify, its reverse or a humfs check --repair began and did not finish.'),
  HUMFS_DAMAGED: refusedWhenWriting('The data and the metadata of a humfs tree do not fit together.'),
  HUMFS_INCOMPLETE: failed('Some entries did not get their owner, mode or type.'),
  UNKNOWN_USER: failed('The host has no user of that name.'),
  UNKNOWN_GROUP: failed('The host has no group of that name.'),
} as const

const runErrors = {
  INPUT_CHANGED: failed('An input changed while umlcow read it, or after mtree text about it was made.'),
  NOT_A_FILE: failed('The input is neither a regular file nor a block device, or is a file that the kernel makes up.'),
  DEVICE_SIZE: failed('The size of a block device cannot be found.'),
  OUT_OF_RANGE: failed('A read or write goes beyond the end of a store.'),
  CLOSED: failed('A store or an image was used after it was closed.'),
  SHORT_READ: failed('A file ended too early.'),
  SHORT_WRITE: failed('A store took fewer bytes than it was given.'),
  HELPER_MISSING: failed('A program of the host is needed and missing.'),
  COPIER_UNAVAILABLE: failed('The given way of copying does not work here.'),
  HELPER_FAILED: failed('A program of the host failed.'),
  INTERRUPTED: {
    meaning: 'A signal or an AbortSignal stopped the operation.',
    exitStatus: 1,
    afterSignal: [129, 130, 143],
  },
  USAGE: { meaning: 'The command line is wrong.', exitStatus: 64 },
} as const

/** The codes in groups, in the order of docs/errors.md. */
export const errorGroups = {
  'The header of an overlay': headerErrors,
  'The overlay as a whole': overlayErrors,
  'qcow2 images': qcow2Errors,
  'File systems in images': fileSystemErrors,
  'The backing file': backingErrors,
  'Refusals that protect data': refusals,
  'Merges in place': inPlaceErrors,
  'Manifests and archives': archiveErrors,
  'Compressed data': compressionErrors,
  Packs: packErrors,
  'bmap files': bmapErrors,
  'humfs trees': humfsErrors,
  'While a verb runs': runErrors,
} as const

/**
 * Every code of an UmlcowError, with its meaning and exit status. Codes are part of the public API and do not change.
 * Errors of the operating system keep their own code (ENOSPC, EACCES, ...).
 */
export const errorCodes = {
  ...headerErrors,
  ...overlayErrors,
  ...qcow2Errors,
  ...fileSystemErrors,
  ...backingErrors,
  ...refusals,
  ...inPlaceErrors,
  ...archiveErrors,
  ...compressionErrors,
  ...packErrors,
  ...bmapErrors,
  ...humfsErrors,
  ...runErrors,
} as const satisfies Readonly<Record<string, ErrorEntry>>

export type ErrorCode = keyof typeof errorCodes

/** Operands of an error: plain values that JSON can hold. */
export type ErrorDetails = Record<string, string | number | boolean | null | readonly (string | number)[]>

/**
 * Every operation throws this error when a file, not the caller, is at fault.
 *
 * `code` is one of `errorCodes` or a code of the operating system. `details` holds the operands. `hint` says what to do
 * next, where umlcow knows it: a line for each way.
 *
 * When an AbortSignal stops an operation, the error has the code INTERRUPTED and the name `AbortError`. Its `cause` is
 * the reason of the signal, as in errors of Node's own functions. All other errors have the name `UmlcowError`.
 */
export class UmlcowError extends Error {
  override readonly name: 'UmlcowError' | 'AbortError'
  readonly code: string
  readonly details: ErrorDetails
  readonly hint: string | undefined

  constructor(
    code: ErrorCode | (string & {}),
    message: string,
    options: { details?: ErrorDetails; hint?: string | undefined; cause?: unknown } = {},
  ) {
    const isStop = code === 'INTERRUPTED'
    // Skip the inner error when one INTERRUPTED wraps another: the cause must be the reason of the signal.
    const cause = isStop && hasCode(options.cause, 'INTERRUPTED') ? (options.cause as Error).cause : options.cause
    super(message, cause === undefined ? undefined : { cause })
    this.name = isStop ? 'AbortError' : 'UmlcowError'
    this.code = code
    this.details = options.details ?? {}
    this.hint = options.hint
  }
}

/** True for errors of the operating system, as Node reports them. */
export function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && typeof codeOf(error) === 'string' && 'syscall' in error
}

/** True when `error` has one of `codes`, umlcow's or the system's. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  const code = error instanceof Error ? codeOf(error) : undefined
  return typeof code === 'string' && codes.includes(code)
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined
}

/** Throw INTERRUPTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interrupted(signal)
}

/** Make the error of an operation that its signal stopped. */
export function interrupted(signal: AbortSignal): UmlcowError {
  return new UmlcowError('INTERRUPTED', 'stopped', { cause: signal.reason })
}

/**
 * Wait for `pending`, or throw INTERRUPTED as soon as the signal fires: a write to a pipe that nobody reads never ends.
 *
 * The transfer itself continues, so the caller must not use its buffer again.
 */
export async function orInterrupted<T>(pending: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return pending
  // After an abort nothing waits for `pending`, and its failure must not end the process.
  pending.catch(() => {})
  throwIfAborted(signal)
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(interrupted(signal))
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([pending, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
