import { hasCode } from '../errors.js'

/** Exit status of every verb. Part of the interface: see the README. */
export const exitStatus = {
  done: 0,
  failed: 1,
  /** check: damaged */
  damaged: 2,
  /** check: waste only */
  waste: 3,
  /** A writing verb refused to protect data; nothing was changed. */
  refused: 4,
  notThisFormat: 63,
  usage: 64,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const

/** Only what writes can meet these. */
const refusals = [
  'SAME_FILE',
  'TARGET_EXISTS',
  'TARGET_KIND',
  'TARGET_PROTECTED',
  'WRITE_PROTECTED',
  'NAME_TOO_LONG',
  'IN_USE',
  'SIBLINGS',
  'SIBLING_UNKNOWN',
  'SIBLING_UNFIT',
  'SIBLING_CHANGED',
  'OVERLAY_NEEDED',
  'NOT_OWNER',
  'MTIME_UNFIT',
  'NO_ROOM',
  'JOURNAL_MISMATCH',
  'HUMFS_EXISTS',
  'HUMFS_UNFIT',
  'HUMFS_UNFINISHED',
]

/** A verb that writes refuses these; one that only looks fails. */
const refusalsOfWriters = [
  'UNFINISHED_REWRITE',
  'UNFINISHED_MERGE',
  'JOURNAL_DAMAGED',
  'BACKING_SIZE',
  'BACKING_MTIME',
  'BACKING_KIND',
  'BACKING_SELF',
  'BACKING_IS_COW',
  'BACKING_AMBIGUOUS',
  'BACKING_OUTSIDE_ROOT',
  'BACKING_OTHER',
  'HUMFS_DAMAGED',
  'ENTRY_UNFIT',
]

export function statusOf(error: unknown, writes: boolean): number {
  if (hasCode(error, 'USAGE')) return exitStatus.usage
  if (hasCode(error, 'NOT_COW', 'NOT_HUMFS', 'HUMFS_VERSION', 'NOT_ARCHIVE')) return exitStatus.notThisFormat
  const refused = hasCode(error, ...refusals) || (writes && hasCode(error, ...refusalsOfWriters))
  return refused ? exitStatus.refused : exitStatus.failed
}
