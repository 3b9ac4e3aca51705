// One point of a series: a pair, merged into a new file, then in place, and looked at.
import { rmSync } from 'node:fs'
import path from 'node:path'
import { filesIn, inPlaceJob, newFileJob } from './jobs.js'
import { makePair } from './pairs.js'
import { entry } from './peers.js'
import { writeQcow2 } from './qcow2.js'
import { checkCommands, rowOf, timeRounds } from './rounds.js'
import { gib, mib, scattered } from './shapes.js'

const kib = 1024
const backingData = gib
/** uml_moo reads every sector of the backing file, holes included. */
const umlMooLimit = 16 * gib

/** Larger images are compared where a layer has data, or the holes of each would be read for every command. */
const wholeLimit = gib

const newFileRows = ['ours', 'control', 'uml_moo', 'qemu-convert', 'cp-auto']
const inPlaceRows = ['ours', 'uml_moo', 'floor']

/**
 * @param {{ virtualSize: number, overlayData: number }} point
 * @param {Set<string>} tooSlow  what is left out; gets those that took longer than the limit here
 */
export async function measurePoint(point, home, options, tooSlow) {
  const directory = path.join(home, 'point')
  const pair = makePair(workloadOf(point, options.scale), directory, point.virtualSize)
  writeQcow2(filesIn(directory).qcow2, pair, 4 * kib)
  const rows = [
    ...(await measureNewFile(pair, directory, options, tooSlow)),
    ...(await measureInPlace(pair, directory, options, tooSlow)),
  ]
  rmSync(directory, { recursive: true })
  return { virtualSize: pair.virtualSize, backingData: pair.backingData, overlayData: pair.overlayData, rows }
}

function workloadOf({ overlayData }, scale) {
  return {
    name: 'series',
    backingRuns: (size, random) => scattered(size, mib, Math.min(size / 2, backingData * scale), random),
    overlayRuns: (size, random) => scattered(size, 4 * kib, overlayData, random),
  }
}

async function measureNewFile(pair, directory, options, tooSlow) {
  const job = newFileJob({ ...options, copiers: false }, pair, directory)
  job.entries = job.entries.filter(({ id }) => newFileRows.includes(id))
  if (pair.virtualSize > umlMooLimit) job.entries = job.entries.filter(({ id }) => id !== 'uml_moo')
  return await measureJob('new-file', job, options, tooSlow)
}

async function measureInPlace(pair, directory, options, tooSlow) {
  const job = await inPlaceJob({ ...options, first: false }, pair, directory)
  job.entries = [
    ...job.entries.filter(({ id }) => inPlaceRows.includes(id)),
    infoEntry('info', 'umlcow info --json', ['info', '--json', pair.overlay], options.umlcow),
    infoEntry('info-fast', 'umlcow info --json --fast', ['info', '--json', '--fast', pair.overlay], options.umlcow),
  ]
  return await measureJob('in-place', job, options, tooSlow)
}

/** The scan of the bitmap apart: what `info` takes more than `info --fast`. */
function infoEntry(id, name, args, umlcow) {
  return entry(id, name, [[process.execPath, umlcow, ...args]], { isOurs: true, isReader: true })
}

async function measureJob(kind, job, options, tooSlow) {
  const keyOf = ({ id }) => `${kind} ${id}`
  const present = job.entries.filter((one) => !tooSlow.has(keyOf(one)))
  const rows = await checkCommands({ ...job, entries: present, wholeLimit })
  for (const row of rows) if (!row.isOurs && row.checkSeconds > options.limit) tooSlow.add(keyOf(row))
  await timeRounds(rows, { ...job, wasMerged: undefined }, options)
  return rows.map((row) => ({ ...rowOf(row, row), id: keyOf(row).replace(' ', ':'), rounds: row.rounds }))
}
