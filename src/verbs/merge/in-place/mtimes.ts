import { UmlcowError } from '../../../errors.js'
import type { Clock } from '../../../machine/clock.js'
import type { FileFacts } from '../../../machine/host-files.js'
import type { FileTimes } from './file-times.js'

/** Mtimes of a backing file during and after a merge, seconds since 1970. */
export interface MergeMtimes {
  /** While it is written. */
  readonly invalid: number
  /** For good. */
  readonly final: number
}

/** Mtimes that a merge must not give to the backing file, seconds since 1970. */
export interface KnownMtimes {
  /** In headers of overlays, be they stale: these are avoided, not exceeded. */
  readonly headers: readonly number[]
  /** Of the backing file itself: overlays that nobody has found may carry them, and earlier ones. */
  readonly shown: readonly number[]
  /** Another merge was writing the file: it may have shown every second up to now. */
  readonly wasWritten?: boolean
}

/** Seconds that are waited for a better choice. */
const longestWait = 5

/** File systems take their times from a clock that may lag behind ours by a tick, milliseconds. */
const clockLag = 50

/** The last second that a header holds. */
const latestMtime = 2 ** 32 - 1

/** Mtimes that are tried on the file system: one that rounds to minutes takes three. */
const mostTrials = 64

/**
 * Choose the mtimes of a merge: two that no header carries and that the file system keeps.
 *
 * The final one is a second that has passed already when the merge begins, so that no write gives it to the backing
 * file, neither one of this merge nor one right after it. Both are later than all that the backing file has shown: an
 * overlay of an older state, which nobody has found, may carry one of these. When an image, an overlay and a merge are
 * made within two seconds, that takes a wait. No wait helps where the backing file comes from the future: then they are
 * seconds of the present that it is not known to have shown.
 *
 * @throws UmlcowError MTIME_UNFIT when the file system keeps none that would do, INTERRUPTED
 */
export async function chooseMtimes(
  clock: Clock,
  times: FileTimes,
  known: KnownMtimes,
  signal?: AbortSignal,
): Promise<MergeMtimes> {
  const avoided = new Set([...known.headers, ...known.shown])
  const first = await times.present()
  const shown = known.wasWritten ? [...known.shown, first] : known.shown
  const latestShown = Math.max(-1, ...shown.filter((one) => one - first <= longestWait))
  const deadline = clock.now() + (Math.max(0, latestShown - first) + longestWait) * 1000
  for (let present = first; ; present = await times.present()) {
    const isLate = clock.now() > deadline
    // The next write would give the file a time that a header carries.
    const isTaken = avoided.has(present)
    const chosen = isTaken ? null : await latestTwo(times, avoided, isLate ? -1 : latestShown, present)
    if (chosen !== null) return chosen
    if (isLate && (!isTaken || present === first)) throw unfit(times.name)
    await clock.sleep(1000 - (clock.now() % 1000) + clockLag, signal)
  }
}

/** The two latest seconds up to `present`, and after `earliest`, that are free and kept. */
async function latestTwo(
  times: FileTimes,
  avoided: ReadonlySet<number>,
  earliest: number,
  present: number,
): Promise<MergeMtimes | null> {
  let invalid: number | null = null
  let trials = 0
  for (let second = Math.min(present, latestMtime); second > earliest && trials < mostTrials; ) {
    const stored = avoided.has(second) ? second - 1 : await times.stored(second)
    trials += avoided.has(second) ? 0 : 1
    if (stored !== second) {
      second = Math.min(stored, second - 1)
    } else if (invalid === null) {
      invalid = second--
    } else {
      return { invalid, final: second }
    }
  }
  return null
}

function unfit(name: string): UmlcowError {
  return new UmlcowError(
    'MTIME_UNFIT',
    `${name}: its file system keeps no modification time that would tell the merged file from what its overlays were made for`,
    { hint: 'merge into a new file instead' },
  )
}

/** The times of a device's node: nobody promises that it keeps any. */
export function clockTimes(clock: Clock, name: string): FileTimes {
  return {
    name,
    present: async () => Math.floor((clock.now() - clockLag) / 1000),
    stored: async (second) => second,
  }
}

/** A merge is over after so many seconds. */
const longestMerge = 86_400

/**
 * Mtimes that a backing file has shown, or may have. While a merge before this one wrote it, it showed every second up to
 * the last change of its inode, and overlays that were made meanwhile carry one of these. A file whose mtime is much
 * older than that was copied or unpacked with it.
 */
export function shownMtimes({ mtime, ctime }: Pick<FileFacts, 'mtime' | 'ctime'>): number[] {
  return ctime - mtime < longestMerge ? [mtime, ctime] : [mtime]
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
