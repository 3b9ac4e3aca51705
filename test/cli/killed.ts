import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { InPlaceOptions } from '../../src/verbs/merge/in-place/options.js'
import { root } from '../support/paths.js'
import { waitUntil } from './scene.js'

/** Where a merge in place is killed, and what it leaves besides its journal. */
const places = {
  /** The backing file as it was. */
  preparing: ['setMtime', 'root_fs', 1],
  /** The backing file with all sectors, and a modification time that no overlay fits. */
  writing: ['setMtime', 'root_fs', 2],
  /** Nothing: only journal and marker are left to remove. */
  merged: ['unlink', '.umlcow-merging', 1],
  /** The journal alone. */
  unmarked: ['unlink', '.umlcow-journal', 1],
} as const

function argsFor(signal: NodeJS.Signals, place: keyof typeof places, cow: string, options: InPlaceOptions): string[] {
  const script = path.join(root, 'test/support/killed-merge.js')
  return [script, signal, ...places[place].map(String), cow, JSON.stringify(options)]
}

/** Merge in place, and die on the way as by kill -9. */
export function killMerge(cow: string, place: keyof typeof places, options: InPlaceOptions = {}): void {
  const args = argsFor('SIGKILL', place, cow, options)
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 600_000 })
  expect(done).toMatchObject({ signal: 'SIGKILL', stderr: '' })
}

export interface StoppedMerge {
  readonly pid: number
  /** Let it go on; resolves with its exit status. */
  goOn(): Promise<number | null>
}

/** Merge in place, and stop on the way, locks held, until told to go on. It is killed when the test ends. */
export async function stopMerge(
  cow: string,
  place: keyof typeof places,
  options: InPlaceOptions = {},
): Promise<StoppedMerge> {
  const child: ChildProcess = spawn(process.execPath, argsFor('SIGSTOP', place, cow, options), { stdio: 'inherit' })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const pid = child.pid ?? 0
  const isStopped = () => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.startsWith('T') === true
  await waitUntil(isStopped, 'the merge to stop')
  return {
    pid,
    goOn() {
      child.kill('SIGCONT')
      return ended
    },
  }
}
