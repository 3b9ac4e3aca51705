import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { expect } from 'vitest'
import type { InPlaceOptions } from '../../src/verbs/in-place/options.js'
import { root } from '../support/paths.js'

/** Where a merge in place is killed, and what it leaves besides its journal. */
const places = {
  /** The backing file as it was. */
  preparing: ['setMtime', '', 1],
  /** The backing file with all sectors, and a modification time that no overlay fits. */
  writing: ['setMtime', '', 2],
  /** Nothing: only journal and marker are left to remove. */
  merged: ['unlink', '.umlcow-merging', 1],
  /** The journal alone. */
  unmarked: ['unlink', '.umlcow-journal', 1],
} as const

/** Merge in place, and die on the way as by kill -9. */
export function killMerge(cow: string, place: keyof typeof places, options: InPlaceOptions = {}): void {
  const script = path.join(root, 'test/support/killed-merge.js')
  const args = [script, ...places[place].map(String), cow, JSON.stringify(options)]
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
  expect(done).toMatchObject({ signal: 'SIGKILL', stderr: '' })
}
