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
  interrupted: 130,
  terminated: 143,
} as const

const refusals = [
  'SAME_FILE',
  'TARGET_EXISTS',
  'TARGET_KIND',
  'TARGET_PROTECTED',
  'IN_USE',
  'IN_PLACE_UNAVAILABLE',
  'UNFINISHED_REWRITE',
  'BACKING_SIZE',
  'BACKING_MTIME',
  'BACKING_KIND',
  'BACKING_SELF',
  'BACKING_IS_COW',
  'BACKING_AMBIGUOUS',
  'BACKING_OUTSIDE_ROOT',
]

/** @param writes  the verb writes; a verb that only looks fails where another refuses */
export function statusOf(error: unknown, writes: boolean): number {
  if (hasCode(error, 'USAGE')) return exitStatus.usage
  if (hasCode(error, 'NOT_COW')) return exitStatus.notThisFormat
  return writes && hasCode(error, ...refusals) ? exitStatus.refused : exitStatus.failed
}
