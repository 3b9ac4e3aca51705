import { spawn } from 'node:child_process'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import type { Outcome } from './command.js'
import { root } from './paths.js'

export interface Racer {
  readonly args: readonly string[]
  /** Milliseconds after the signal. */
  readonly delay: number
}

interface Waiting {
  readonly ready: Promise<unknown>
  readonly ended: Promise<Outcome>
  go(delay: number): void
}

function startAtBarrier(args: readonly string[], cwd: string): Waiting {
  const script = path.join(root, 'test/support/at-barrier.js')
  const child = spawn(process.execPath, [script, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  const barrier = child.stdio[3] as Duplex
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
  // A process that ends without a word must not keep the test.
  const ready = Promise.race([new Promise((resolve) => barrier.once('data', resolve)), ended])
  return { ready, ended, go: (delay) => void barrier.end(`${delay}`) }
}

/** Load two commands, let them go at once, and wait for both. */
export async function race(cwd: string, first: Racer, second: Racer): Promise<[Outcome, Outcome]> {
  const racers = [first, second].map(({ args }) => startAtBarrier(args, cwd)) as [Waiting, Waiting]
  await Promise.all(racers.map(({ ready }) => ready))
  racers[0].go(first.delay)
  racers[1].go(second.delay)
  return Promise.all([racers[0].ended, racers[1].ended])
}
