// What a process takes before it does anything, and what the smallest verbs take.
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { makePair } from './pairs.js'
import { entry } from './peers.js'
import { programs } from './programs.js'
import { checkCommands, rowOf, timeRounds } from './rounds.js'
import { gib, mib, scattered } from './shapes.js'

/** Both hold the same changes: what differs is the length of the bitmap. */
const smallSize = 64 * mib
const bigSize = 1024 * gib
const changes = 8 * mib

const few = {
  name: 'start-up',
  backingRuns: (size, random) => scattered(size, mib, mib, random),
  overlayRuns: (size, random) => scattered(size, 4096, changes, random),
}

export async function timeStartUp(home, options) {
  const directory = path.join(home, 'start-up')
  mkdirSync(directory)
  const small = makePair(few, path.join(directory, 'small'), smallSize).overlay
  const big = makePair(few, path.join(directory, 'big'), bigSize).overlay
  const job = { directory, entries: entriesFor(options.umlcow, small, big), prepareCheck: () => {} }
  const rows = await checkCommands(job)
  await timeRounds(rows, job, { rounds: options.starts, slowRounds: options.starts, touch: 0 })
  rmSync(directory, { recursive: true })
  return rows.map((row) => rowOf(row, rows[0]))
}

function entriesFor(umlcow, small, big) {
  const reader = { isReader: true }
  const ours = (id, name, args) => entry(id, name, [[process.execPath, umlcow, ...args]], { ...reader, isOurs: true })
  return [
    entry('node', 'node -e 0', [[process.execPath, '-e', '0']], reader),
    ours('version', 'umlcow --version', ['--version']),
    ours('fast-small', 'umlcow info --fast, 64 MiB', ['info', '--fast', small]),
    ours('info-small', 'umlcow info, 64 MiB', ['info', small]),
    ours('fast-big', 'umlcow info --fast, 1 TiB', ['info', '--fast', big]),
    ours('info-big', 'umlcow info, 1 TiB', ['info', big]),
    // It knows no such option: it prints its usage.
    entry('uml_moo', 'uml_moo --version', [[programs.umlMoo, '--version']], { ...reader, anyStatus: true }),
    entry('qemu-img', 'qemu-img --version', [[programs.qemuImg, '--version']], reader),
  ]
}
