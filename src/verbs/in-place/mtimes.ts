import { UmlcowError } from '../../errors.js'
import type { Clock } from '../../host/clock.js'
import type { FileFacts } from '../../host/host-files.js'

/** Mtimes of a backing file during and after a merge, seconds since 1970. */
export interface MergeMtimes {
  /** While it is written. */
  readonly invalid: number
  /** For good. */
  readonly final: number
  /** Some header carries a mtime of the future, so these lie there, too. */
  readonly ahead: boolean
}

/** Seconds that a header's mtime may lie ahead and be waited for. */
const longestWait = 5

/** File systems take their times from a clock that may lag behind ours by a tick, milliseconds. */
const clockLag = 50

const latestMtime = 2 ** 32 - 1

/**
 * Choose the mtimes of a merge: later than every one that is known.
 *
 * The final one is a second that has passed already when the merge begins, so that no write gives it to the backing
 * file, neither one of this merge nor one right after it. When an image, an overlay and a merge are made within two
 * seconds, that takes a wait. Where headers come from the future no wait helps: then both lie beyond all of them, and
 * `pauseForClock` keeps writes away from these seconds.
 *
 * @param known  seconds
 * @throws       UmlcowError BAD_MTIME when no header could hold it, INTERRUPTED
 */
export async function chooseMtimes(clock: Clock, known: readonly number[], signal?: AbortSignal): Promise<MergeMtimes> {
  const greatest = known.reduce((a, b) => Math.max(a, b), 0)
  for (;;) {
    const now = clock.now() - clockLag
    const second = Math.floor(now / 1000)
    if (second - 1 > greatest) return { invalid: second, final: second - 1, ahead: false }
    if (greatest - second > longestWait) return aheadOf(greatest)
    await clock.sleep((greatest + 2) * 1000 - now, signal)
  }
}

function aheadOf(greatest: number): MergeMtimes {
  const final = greatest + 2
  if (final <= latestMtime) return { invalid: greatest + 1, final, ahead: true }
  throw new UmlcowError('BAD_MTIME', `a header carries the mtime ${greatest}, and there is no later one to use`, {
    details: { mtime: greatest },
  })
}

/** A merge is over after so many seconds. */
const longestMerge = 86_400

/**
 * Mtimes that a backing file may have shown. While a merge before this one wrote it, it showed every second up to the
 * last change of its inode, and overlays that were made meanwhile carry one of these. A file whose mtime is much older
 * than that was copied or unpacked with it.
 */
export function shownMtimes({ mtime, ctime }: Pick<FileFacts, 'mtime' | 'ctime'>): number[] {
  return ctime > mtime && ctime - mtime < longestMerge ? [mtime, ctime] : [mtime]
}

/** Wait until the clock is past all of `seconds` that are about to come: a write would give the file such an mtime. */
export async function pauseForClock(clock: Clock, seconds: readonly number[], signal?: AbortSignal): Promise<void> {
  for (;;) {
    const second = Math.floor(clock.now() / 1000)
    const close = seconds.find((one) => one >= second - 1 && one <= second + 2)
    if (close === undefined) return
    await clock.sleep((close + 2) * 1000 - clock.now(), signal)
  }
}
