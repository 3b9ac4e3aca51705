import { type FileFacts, type HostFiles, mtimeNanoseconds } from './host-files.js'
import type { FileStore } from './stores/file-store.js'

/** How exactly a file got a modification time; `none`: the file system stores another time. */
export type MtimePrecision = 'nanoseconds' | 'microseconds' | 'seconds' | 'none'

/**
 * Give an open file the mtime of another: to the nanosecond where the host has `touch`, else to the microsecond.
 *
 * @returns what the file system really stores, looked up afterwards
 */
export async function preserveMtime(
  files: HostFiles,
  store: FileStore,
  wanted: Pick<FileFacts, 'mtime' | 'mtimeNs'>,
): Promise<MtimePrecision> {
  await files.setMtime(store, wanted.mtime, mtimeNanoseconds(wanted))
  const first = precisionOf(wanted, files.statOpen(store))
  if (first === 'nanoseconds' || !(await files.touch(store, wanted.mtimeNs))) return first
  const second = precisionOf(wanted, files.statOpen(store))
  if (second === 'nanoseconds' || second === 'microseconds') return second
  // This touch knows less than Node.
  await files.setMtime(store, wanted.mtime, mtimeNanoseconds(wanted))
  return precisionOf(wanted, files.statOpen(store))
}

type Mtime = Pick<FileFacts, 'mtime' | 'mtimeNs'>

function precisionOf(wanted: Mtime, stored: Mtime): MtimePrecision {
  if (stored.mtimeNs === wanted.mtimeNs) return 'nanoseconds'
  if (stored.mtime !== wanted.mtime) return 'none'
  const microsecond = (time: Mtime) => Math.floor(mtimeNanoseconds(time) / 1000)
  return microsecond(stored) === microsecond(wanted) ? 'microseconds' : 'seconds'
}
