import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

/**
 * Sync a whole file system to the disk.
 *
 * Node has no `syncfs`, and an `fsync` for each of a hundred thousand small files takes minutes. The host's sync does
 * it in one call.
 *
 * @param directory  as text, because it becomes an argument
 * @returns          false where that does not work
 */
export async function syncFileSystem(directory: string, signal: AbortSignal | undefined): Promise<boolean> {
  const program = await findProgram('sync')
  if (program === null) return false
  return (await runProgram(program, ['-f', '--', directory], { signal })) === 0
}
