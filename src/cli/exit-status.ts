import { type ErrorEntry, errorCodes } from '../errors.js'

/** Exit status of every verb. Part of the interface: see docs/errors.md. */
export const exitStatus = {
  done: 0,
  failed: 1,
  /** diff: the images differ */
  different: 1,
  /** check: damaged */
  damaged: 2,
  /** diff: failed, as diff(1) */
  trouble: 2,
  /** check: waste only */
  waste: 3,
  /** A verb that writes refused to protect data; nothing was changed. */
  refused: 4,
  notThisFormat: 63,
  usage: 64,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const

/** What each exit status means, for the help and docs/errors.md. */
export const statusMeanings: readonly (readonly [status: number, meaning: string])[] = [
  [exitStatus.done, 'done; check, humfs check: consistent; diff: no differences'],
  [exitStatus.failed, 'failed: an input or output error, or a damaged input; diff: differences'],
  [exitStatus.damaged, 'check, humfs check: damaged; diff: failed'],
  [exitStatus.waste, 'check, humfs check: consistent, but some space is wasted'],
  [exitStatus.refused, 'refused to protect data; nothing was changed'],
  [exitStatus.notThisFormat, 'the verb does not handle this format'],
  [exitStatus.usage, 'wrong usage'],
  [
    exitStatus.hungUp,
    'stopped by SIGHUP; the inputs are unchanged, or the message has the command that finishes the work',
  ],
  [
    exitStatus.interrupted,
    'stopped by SIGINT; the inputs are unchanged, or the message has the command that finishes the work',
  ],
  [
    exitStatus.terminated,
    'stopped by SIGTERM; the inputs are unchanged, or the message has the command that finishes the work',
  ],
]

/** @param writes  the command that failed changes or makes files: where a reader fails, it refuses */
export function statusOf(error: unknown, writes: boolean): number {
  const entry = entryOf(error)
  if (entry === undefined) return exitStatus.failed
  return (writes ? entry.whenWriting : undefined) ?? entry.exitStatus
}

function entryOf(error: unknown): ErrorEntry | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && Object.hasOwn(errorCodes, code)
    ? errorCodes[code as keyof typeof errorCodes]
    : undefined
}
