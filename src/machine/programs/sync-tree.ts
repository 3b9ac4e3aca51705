import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

/**
 * See everything of a file system on the disk. Node has no `syncfs`, and an `fsync` for each of a hundred thousand small
 * files takes minutes: the host's sync does it at once.
 *
 * @param directory  text, so that it can be an argument
 * @returns          false where that does not work
 */
export async function syncFileSystem(directory: string, signal: AbortSignal | undefined): Promise<boolean> {
  const program = await findProgram('sync')
  if (program === null) return false
  return (await runProgram(program, ['-f', '--', directory], { signal })) === 0
}
