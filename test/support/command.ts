import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { root } from './paths.js'

export const commandPath = path.join(root, 'bin/umlcow.js')

export interface Outcome {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** Run the built command, without a shell, to its end. */
export function umlcow(args: readonly string[], options: { cwd?: string; input?: Uint8Array | string } = {}): Outcome {
  const done = spawnSync(process.execPath, [commandPath, ...args], {
    cwd: options.cwd,
    input: options.input ?? '',
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout: 60_000,
  })
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr }
}
