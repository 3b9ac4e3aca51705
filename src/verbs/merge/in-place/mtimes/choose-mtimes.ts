import { UmlcowError } from '../../../../errors.js'
import type { Clock } from '../../../../machine/clock.js'
import type { FileFacts } from '../../../../machine/host-files.js'
import type { FileTimes } from './file-times.js'

/** Mtimes of the backing file during and after a merge, seconds since 1970. */
export interface MergeMtimes {
  /** While the merge writes. */
  readonly invalid: number
  /** After the merge. */
  readonly final: number
}

/** Mtimes that a merge must not give to the backing file, seconds since 1970. */
export interface KnownMtimes {
  /** In headers of overlays, stale ones included. The merge avoids these mtimes, but may choose earlier ones. */
  readonly headers: readonly number[]
  /** Of the backing file itself. Overlays that umlcow has not found may carry these mtimes, and earlier ones. */
  readonly shown: readonly number[]
  /** True when another merge wrote the file: it may have shown every second up to now. */
  readonly wasWritten?: boolean
}

/** Longest wait for a better choice, seconds. */
const longestWait = 5

/** Longest lag of a file system's clock behind ours: a tick of the kernel, milliseconds. */
const clockLag = 50

/** The last second that a header can store. */
const latestMtime = 2 ** 32 - 1

/** Try at most this many mtimes on the file system: one that rounds to minutes needs three. */
const mostTrials = 64

/**
 * Choose the mtimes of a merge: two that no header carries and that the file system stores exactly.
 *
 * The final mtime is a second that has passed before the merge begins. So no write can give it to the backing file,
 * neither a write of this merge nor one right after it. Both mtimes are later than all that the backing file has shown,
 * because an older overlay that umlcow has not found may carry one of those. This needs a wait when an image, an
 * overlay and a merge are made within two seconds. No wait helps when the backing file has an mtime in the future: then
 * both are present seconds that the backing file is not known to have shown.
 *
 * @throws UmlcowError MTIME_UNFIT when the file system stores no fitting mtimes, INTERRUPTED
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
    // A header carries the mtime that the next write would give the file.
    const isTaken = avoided.has(present)
    const chosen = isTaken ? null : await latestTwo(times, avoided, isLate ? -1 : latestShown, present)
    if (chosen !== null) return chosen
    if (isLate && (!isTaken || present === first)) throw unfit(times.name)
    await clock.sleep(1000 - (clock.now() % 1000) + clockLag, signal)
  }
}

/** Find the two latest seconds after `earliest`, up to `present`, that are not avoided and that the host stores. */
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
    `${name}: its file system keeps no modification time that distinguishes the merged file from its earlier states`,
    { hint: 'merge into a new file instead' },
  )
}

/** Take the times of a device's node from our clock: the node may not keep any mtime. */
export function clockTimes(clock: Clock, name: string): FileTimes {
  return {
    name,
    present: async () => Math.floor((clock.now() - clockLag) / 1000),
    stored: async (second) => second,
  }
}

/** Longest time that a merge may take, seconds. */
const longestMerge = 86_400

/**
 * Find the mtimes that a backing file has shown or may have shown. While an earlier merge wrote it, it showed every
 * second up to the last change of its inode. An overlay made meanwhile carries one of these. A file whose mtime is much
 * older than its last inode change got the mtime from a copy or an archive.
 */
export function shownMtimes({ mtime, ctime }: Pick<FileFacts, 'mtime' | 'ctime'>): number[] {
  return ctime - mtime < longestMerge ? [mtime, ctime] : [mtime]
}

/** Wait until the clock has passed those of `seconds` that are close: a write would give the file such an mtime. */
export async function pauseForClock(clock: Clock, seconds: readonly number[], signal?: AbortSignal): Promise<void> {
  for (;;) {
    const second = Math.floor(clock.now() / 1000)
    const close = seconds.find((one) => one >= second - 1 && one <= second + 2)
    if (close === undefined) return
    await clock.sleep((close + 2) * 1000 - clock.now(), signal)
  }
}
