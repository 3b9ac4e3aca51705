import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { root } from './paths.js'
import { runWarm } from './warm-command.js'

export const commandPath = path.join(root, 'bin/umlcow.js')

export interface Outcome {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly input?: Uint8Array | string
}

/**
 * Run the built command, without a shell, to its end. Unless it reads standard input, it runs in a process that has run
 * others before and goes on after it: see command-server.js. Where the process itself matters, `umlcowAlone` starts one.
 */
export function umlcow(args: readonly string[], options: RunOptions = {}): Outcome {
  return options.input === undefined ? runWarm(args, options.cwd) : umlcowAlone(args, options)
}

/** Run the built command in a process of its own. */
export function umlcowAlone(args: readonly string[], options: RunOptions = {}): Outcome {
  const done = spawnSync(process.execPath, [commandPath, ...args], {
    cwd: options.cwd,
    input: options.input ?? '',
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    timeout: 600_000,
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
