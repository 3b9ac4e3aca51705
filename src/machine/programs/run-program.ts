import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { interrupted, UmlcowError } from '../../errors.js'
import { findProgram } from './find-program.js'

export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  /** The program takes long. Where the host supports it, it ends with this process, even after `kill -9`. */
  readonly endsWithUs?: boolean | undefined
  /** Open files that the program gets as descriptors 3, 4, ... */
  readonly descriptors?: readonly number[] | undefined
  /** Without these, its output goes nowhere. */
  readonly onStdout?: ((chunk: Buffer) => void) | undefined
  readonly onStderr?: ((chunk: Buffer) => void) | undefined
}

/**
 * Run a program of the host to its end: without a shell, with messages in English, without input.
 *
 * @returns its exit status, or the name of the signal that ended it
 * @throws  UmlcowError HELPER_FAILED when it cannot be started, INTERRUPTED
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { signal, endsWithUs = false, descriptors = [], onStdout, onStderr }: RunOptions,
): Promise<number | string> {
  const [command = program, ...before] = endsWithUs ? await endingWithUs(program) : [program]
  try {
    return await new Promise<number | string>((resolve, reject) => {
      const child = spawn(command, [...before, ...args], {
        stdio: ['ignore', onStdout ? 'pipe' : 'ignore', onStderr ? 'pipe' : 'ignore', ...descriptors],
        env: { ...process.env, LC_ALL: 'C' },
        // umlcow discards what the program was making, so it need not tidy up.
        killSignal: 'SIGKILL',
        ...(signal === undefined ? {} : { signal }),
      })
      if (onStdout) child.stdout?.on('data', onStdout)
      if (onStderr) child.stderr?.on('data', onStderr)
      child.on('error', (error) => {
        // umlcow stopped it. Wait for its end, before the caller removes the file that it writes to.
        if (signal?.aborted && child.exitCode === null && child.pid !== undefined) child.on('exit', () => reject(error))
        else reject(error)
      })
      child.on('close', (code, killer) => resolve(code ?? killer ?? 'unknown'))
    })
  } catch (error) {
    if (signal?.aborted) throw interrupted(signal)
    throw new UmlcowError('HELPER_FAILED', `${program}: cannot be run`, { cause: error })
  }
}

/**
 * Build a command that ends with this process.
 *
 * It starts the program through util-linux's setpriv, which asks the kernel to kill it with its parent, and then
 * becomes the program.
 */
async function endingWithUs(program: string): Promise<string[]> {
  const setpriv = await findProgram('setpriv')
  // The setpriv of busybox does not have the option.
  if (setpriv === null || path.basename(await fs.promises.realpath(setpriv)) !== 'setpriv') return [program]
  return [setpriv, '--pdeathsig', 'KILL', program]
}
