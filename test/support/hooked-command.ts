import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { commandPath, type Outcome } from './command.js'
import { root } from './paths.js'

/** What test/support/at-call.js is to do within the command. */
export interface AtCall {
  readonly counts: 'changes' | 'all'
  readonly log?: string
  readonly kill?: number
  readonly torn?: boolean
  readonly stop?: number
  readonly freeze?: { readonly call: string; readonly file: string; readonly number: number }
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Outcome>
}

/** Start the built command; a test that fails leaves none at work. */
export function startCommand(args: readonly string[], cwd: string, atCall: AtCall | null = null): Running {
  const preload = ['--import', path.join(root, 'test/support/at-call.js')]
  const child = spawn(process.execPath, [...(atCall === null ? [] : preload), commandPath, ...args], {
    cwd,
    env: { ...process.env, UMLCOW_AT_CALL: JSON.stringify(atCall) },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
  return { child, ended }
}

/** Run the built command to its end, while others run. */
export function runCommand(args: readonly string[], cwd: string): Promise<Outcome> {
  return startCommand(args, cwd).ended
}
