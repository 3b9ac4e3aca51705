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

export interface MeasuredOutcome extends Outcome {
  /** Of the whole process, its start included. */
  readonly cpuSeconds: number
  readonly peakBytes: number
}

/** Run the command and tell what it cost; null costs when it was stopped before it could tell. */
export function measuredUmlcow(args: readonly string[], options: { cwd?: string } = {}): MeasuredOutcome {
  const done = spawnSync(process.execPath, [path.join(root, 'test/support/measured.js'), ...args], {
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout: 20_000,
  })
  const cost = JSON.parse(done.output[3] || '{"cpuSeconds":null,"peakBytes":null}')
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr, ...cost }
}
