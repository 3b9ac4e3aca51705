/**
 * Every code an UmlcowError can carry, with what it means. Codes are part of the public API: they do not change.
 * Errors of the operating system keep their own code (ENOSPC, EACCES, ...).
 */
export const errorCodes = {
  // The header of an overlay
  NOT_COW: 'the file is no COW file',
  SHORT_HEADER: 'the file ends inside its header',
  BAD_VERSION: 'the header has a version nobody defined',
  BAD_BYTE_ORDER: 'the byte order of a version 1 header cannot be told',
  BAD_SECTOR_SIZE: 'sectorSize is no power of two from 512 to 1 MiB',
  BAD_ALIGNMENT: 'alignment is not in 1 byte to 1 GiB',
  BAD_VIRTUAL_SIZE: 'the virtual size is too large',
  BAD_COW_FORMAT: 'the header names an unknown bitmap format',
  BAD_BACKING_PATH: 'the path of the backing file is empty or has no end',
  PATH_TOO_LONG: 'the path does not fit into the header',
  BAD_MTIME: 'a modification time does not fit into a header, or a file system does not keep it',
  // The overlay as a whole
  TRUNCATED_OVERLAY: 'allocated sectors, or the bitmap, lie beyond the end of the file',
  UNFINISHED_REWRITE: 'the rewrite of a header was cut short',
  // The backing file
  BACKING_MISSING: 'the backing file does not exist',
  BACKING_AMBIGUOUS: 'a relative path leads to two different files',
  BACKING_SIZE: 'the size of the backing file is not the one in the header',
  BACKING_MTIME: 'the modification time of the backing file is not the one in the header',
  BACKING_KIND: 'the backing file is neither a regular file nor a block device',
  BACKING_SELF: 'the overlay names itself as its backing file',
  BACKING_IS_COW: 'the backing file is itself a COW file',
  BACKING_OUTSIDE_ROOT: 'the path of the backing file leads out of the given root directory',
  CHAIN_TOO_LONG: 'the chain of backing files is too long or goes in a circle',
  // Refusals that protect data
  SAME_FILE: 'the output is one of the inputs',
  TARGET_EXISTS: 'the output exists',
  TARGET_KIND: 'the output is neither missing nor a regular file',
  TARGET_PROTECTED: 'the output is an overlay, the backing file of one, or in a tree that is read',
  WRITE_PROTECTED: 'we may not write to a file that would be changed, replaced or removed',
  NAME_TOO_LONG: 'the file system has no room for the name of a journal, a marker or a temporary file',
  IN_USE: 'another process has the file open',
  SIBLINGS: 'other overlays share the backing file and would be damaged',
  SIBLING_UNKNOWN: 'a file may be another overlay on the backing file, and it cannot be told',
  SIBLING_UNFIT: 'a sibling cannot take the sectors that it would need',
  SIBLING_CHANGED: 'a sibling of an unfinished merge is gone, or not what it was when the merge was begun',
  OVERLAY_NEEDED: 'another overlay has this one as its backing file, and would lose what it shows',
  UNFINISHED_MERGE: 'a merge in place was begun and not finished',
  NOT_OWNER: 'only the owner of a file may set its modification time',
  MTIME_UNFIT: 'the file system keeps no modification time that would protect a merge in place',
  NO_ROOM: 'there is not enough room on the disk',
  BACKING_OTHER: 'the header of the overlay leads to another file than the one that was given',
  // In-place merges
  JOURNAL_DAMAGED: 'the journal of an in-place merge cannot be read',
  JOURNAL_MISMATCH: 'the files are not those that the journal of a merge tells of',
  NOTHING_UNFINISHED: 'there is no unfinished merge',
  VERIFY_FAILED: 'what was written does not read back',
  // Manifests and archives
  NOT_ARCHIVE: 'the input is not in the format that was asked for',
  BAD_ARCHIVE: 'a field of an archive or manifest is wrong',
  TRUNCATED_ARCHIVE: 'an archive ends before it should',
  ARCHIVE_FEATURE: 'an archive needs what is not supported, such as sparse files',
  UNSAFE_PATH: 'a path in an archive leads out of its tree',
  ENTRY_UNFIT: 'an entry does not fit into the format',
  // humfs trees
  NOT_HUMFS: 'the directory holds no humfs tree',
  HUMFS_SUPERBLOCK: 'the superblock of a humfs tree cannot be read',
  HUMFS_VERSION: 'the humfs tree has another version than 2',
  HUMFS_ENTRY: 'a metadata entry of a humfs tree is not well-formed',
  HUMFS_ENTRY_TOO_LONG: 'a metadata entry is longer than the kernel reads',
  HUMFS_EXISTS: 'there is humfs metadata already',
  HUMFS_UNFIT: 'humfs cannot hold the tree, or we may not change it',
  HUMFS_UNFINISHED: 'a humfsify or its reverse was begun and not finished',
  HUMFS_DAMAGED: 'data and metadata of a humfs tree do not fit together',
  HUMFS_INCOMPLETE: 'some entries could not be given their owners, modes or types',
  UNKNOWN_USER: 'the host knows no user of that name',
  UNKNOWN_GROUP: 'the host knows no group of that name',
  // Running
  INPUT_CHANGED: 'an input was changed while it was read',
  NOT_A_FILE: 'the input is neither a regular file nor a block device',
  DEVICE_SIZE: 'the size of a block device cannot be told',
  OUT_OF_RANGE: 'a read or write goes beyond the end of a store',
  CLOSED: 'a store or an image was used after it was closed',
  SHORT_READ: 'a file ended before it should',
  SHORT_WRITE: 'a store took no more bytes',
  HELPER_MISSING: 'a program of the host is needed and absent',
  COPIER_UNAVAILABLE: 'the one way of copying that was asked for does not work here',
  HELPER_FAILED: 'a program of the host failed',
  INTERRUPTED: 'stopped by a signal or an AbortSignal',
  USAGE: 'wrong usage',
} as const

export type ErrorCode = keyof typeof errorCodes

/** Operands of an error: plain values, fit for JSON. */
export type ErrorDetails = Record<string, string | number | boolean | null | readonly (string | number)[]>

/**
 * What every operation throws when a file, not the caller, is at fault.
 *
 * `code` is one of `errorCodes` or a code of the operating system, `details` holds the operands, `hint` the next thing
 * to do where there is one.
 *
 * One that an AbortSignal caused has the code INTERRUPTED and, as errors of Node's own functions, the name `AbortError` and
 * the reason of the signal as its `cause`. All others are called `UmlcowError`.
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
    // An error that tells more of a stop still has the reason of the signal as its cause.
    const cause = isStop && hasCode(options.cause, 'INTERRUPTED') ? (options.cause as Error).cause : options.cause
    super(message, cause === undefined ? undefined : { cause })
    this.name = isStop ? 'AbortError' : 'UmlcowError'
    this.code = code
    this.details = options.details ?? {}
    this.hint = options.hint
  }
}

/** True for errors of the operating system as Node reports them. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException & { code: string } {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error
}

/** True when `error` carries `code`, ours or the system's. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

/** Throws INTERRUPTED when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interrupted(signal)
}

/** The error of an operation that its signal has stopped. */
export function interrupted(signal: AbortSignal): UmlcowError {
  return new UmlcowError('INTERRUPTED', 'stopped', { cause: signal.reason })
}

/**
 * `pending`, or INTERRUPTED as soon as the signal fires: a write to a pipe that nobody reads never ends. The transfer
 * itself cannot be called back, so its buffer must not be used again.
 */
export async function orInterrupted<T>(pending: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return pending
  // When the signal has won, nobody waits for the other any more.
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
