import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { interrupted, UmlcowError } from '../../errors.js'
import { findProgram } from './find-program.js'

export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  /** It takes long: where the host can, it ends when this process ends, by `kill -9` too. */
  readonly endsWithUs?: boolean | undefined
  /** Open files that the program gets as descriptors 3, 4, ... */
  readonly descriptors?: readonly number[] | undefined
  /** What it prints goes nowhere without them. */
  readonly onStdout?: ((chunk: Buffer) => void) | undefined
  readonly onStderr?: ((chunk: Buffer) => void) | undefined
}

/**
 * Run a program of the host to its end: no shell, messages in English, no input.
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
        // What it was making is thrown away; it need not tidy up.
        killSignal: 'SIGKILL',
        ...(signal === undefined ? {} : { signal }),
      })
      if (onStdout) child.stdout?.on('data', onStdout)
      if (onStderr) child.stderr?.on('data', onStderr)
      child.on('error', (error) => {
        // Stopped by us: it is gone before anybody removes what it writes to.
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
 * A program and its first arguments, by way of util-linux's setpriv: it asks the kernel to kill it with its parent, and
 * becomes the program.
 */
async function endingWithUs(program: string): Promise<string[]> {
  const setpriv = await findProgram('setpriv')
  // That of busybox does not know the option.
  if (setpriv === null || path.basename(await fs.promises.realpath(setpriv)) !== 'setpriv') return [program]
  return [setpriv, '--pdeathsig', 'KILL', program]
}
