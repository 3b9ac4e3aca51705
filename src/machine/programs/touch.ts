import type { FileStore } from '../stores/file-store.js'
import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

const nanosecondsPerSecond = 1_000_000_000n

/** Write a time as touch takes it, such as `@1234567890.000000001`: seconds since 1970 with all nine digits. */
export function touchTime(nanoseconds: bigint): string {
  const distance = nanoseconds < 0n ? -nanoseconds : nanoseconds
  const fraction = String(distance % nanosecondsPerSecond).padStart(9, '0')
  return `@${nanoseconds < 0n ? '-' : ''}${distance / nanosecondsPerSecond}.${fraction}`
}

/**
 * Let the host's `touch` set the mtime of an open file: Node keeps microseconds only.
 *
 * Some versions of touch ignore the digits after the second, so look at the file afterwards.
 *
 * @returns false when there is no such program, or it failed
 */
export async function touchFile(file: FileStore, mtimeNs: bigint): Promise<boolean> {
  const program = await findProgram('touch')
  if (program === null) return false
  // -c: a file that is gone stays away.
  const args = ['-c', '-m', '-d', touchTime(mtimeNs), '--', '/proc/self/fd/3']
  try {
    return (await runProgram(program, args, { descriptors: [file.fd] })) === 0
  } catch {
    return false // It cannot be started here.
  }
}
