import { spawnSync } from 'node:child_process'
import { existsSync, readlinkSync } from 'node:fs'
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

/** Root, outside of containers, sees what every process has open. */
function seesEveryProcess(): boolean {
  try {
    return process.geteuid?.() === 0 && readlinkSync('/proc/self/ns/pid') === 'pid:[4026531836]'
  } catch {
    return false
  }
}

/** Warnings that depend on this machine. In CI neither comes. */
const hostWarnings = [
  ...(seesEveryProcess() ? [] : ['cannot see every process that may have the files open']),
  ...(existsSync('/usr/bin/getfattr') ? [] : ['not looked for: extended attributes']),
]

/**
 * The same without the warnings of a machine where not all processes can be seen, or that has no getfattr: for tests of
 * other things, which are to pass there, too.
 */
export function withoutUnseenTold<T extends Pick<Outcome, 'stdout' | 'stderr'>>(outcome: T): T {
  if (hostWarnings.length === 0) return outcome
  let { stdout, stderr } = outcome
  for (const told of hostWarnings) {
    stdout = stdout.replaceAll(new RegExp(`\\n *"${told}[^"\\n]*",?(?=\\n)`, 'g'), '')
    stderr = stderr.replaceAll(new RegExp(`^umlcow: warning: ${told}.*\\n`, 'gm'), '')
  }
  return { ...outcome, stdout: stdout.replaceAll(/"warnings": \[\n *\]/g, '"warnings": []'), stderr }
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
  return options.input === undefined ? withoutUnseenTold(runWarm(args, options.cwd)) : umlcowAlone(args, options)
}

/** Run the built command in a process of its own. */
export function umlcowAlone(args: readonly string[], options: RunOptions = {}): Outcome {
  return withoutUnseenTold(umlcowTelling(args, options))
}

/** The same, with all that it says of users that it could not look at. */
export function umlcowTelling(args: readonly string[], options: RunOptions = {}): Outcome {
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
    timeout: 600_000,
  })
  const cost = JSON.parse(done.output[3] || '{"cpuSeconds":null,"peakBytes":null}')
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr, ...cost }
}
