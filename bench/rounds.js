// Check every command once, then time them in rounds.
import { existsSync } from 'node:fs'
import { isMerged } from './compare.js'
import { runAll, timeCommands } from './measure.js'
import { isExecutable } from './programs.js'
import { summarize } from './report.js'

/** A command whose check run took longer takes part in the first rounds only. */
const slowSeconds = 20

/**
 * @typedef {object} Job
 * @property {string} directory
 * @property {import('./peers.js').Entry[]} entries
 * @property {object} [pair]                                none where nothing is merged
 * @property {string} [result]                               where every command leaves its image
 * @property {(entry: object) => unknown} prepareCheck       clears up before the check run
 * @property {number} [wholeLimit]                            bytes; larger images are compared where they have data
 * @property {() => unknown} [settle]                        between the checks and the rounds
 * @property {(entry: object) => unknown} [start]            puts back what the one before has changed
 * @property {(entry: object) => unknown} [warm]             reads what the command is going to read
 * @property {(entry: object) => unknown} [makeRoom]         removes the output of the one before, late
 * @property {() => boolean} [wasMerged]                     looks whether a timed run did its work
 */

/** Run each command once. Its result has to be the merged image. */
export async function checkCommands(job) {
  const rows = []
  for (const entry of job.entries) {
    const { problem, seconds } = await checkCommand(entry, job)
    rows.push({ ...entry, problem, checkSeconds: seconds, rounds: [] })
    if (problem !== null) console.log(`*** ${entry.name}: ${problem}`)
  }
  return rows
}

async function checkCommand(entry, job) {
  if (!entry.needs.every(isExecutable)) return { problem: 'ABSENT', seconds: null }
  if (!entry.isReader) await job.prepareCheck(entry)
  const { failure, seconds } = await runAll(entry.commands)
  if (failure !== null && !entry.anyStatus)
    return { problem: `${entry.isOptional ? 'UNAVAILABLE' : 'FAILED'}: ${failure}`, seconds }
  if (entry.isReader) return { problem: null, seconds }
  if (!existsSync(job.result)) return { problem: 'FAILED: it made no output', seconds }
  return { problem: isMerged(job.result, job.pair, job.wholeLimit) ? null : 'WRONG: its output differs', seconds }
}

/**
 * All commands in each round, in turn; every second round in the other direction, for the one before may matter.
 *
 * @param {{ rounds: number, slowRounds: number, touch: number, cold?: boolean }} options
 */
export async function timeRounds(rows, job, options) {
  await job.settle?.()
  for (let round = 0; round < options.rounds; round++) {
    const present = rows.filter((row) => row.problem === null && isInRound(row, round, options))
    for (const row of rows) row.rounds.push(null)
    for (const row of round % 2 === 0 ? present : present.reverse()) await timeRow(row, round, job, options)
    process.stderr.write('.')
  }
  process.stderr.write('\n')
}

function isInRound(row, round, { slowRounds }) {
  return row.checkSeconds <= slowSeconds || round < slowRounds
}

async function timeRow(row, round, job, { touch, cold }) {
  const { directory } = job
  const { seconds, rss, failure } = await timeCommands(row, {
    start: () => job.start?.(row),
    warm: () => job.warm?.(row),
    makeRoom: () => job.makeRoom?.(row),
    directory,
    touch,
    cold,
  })
  if (failure !== null) row.problem = `FAILED: ${failure}`
  else if (job.wasMerged?.() === false) row.problem = 'WRONG: a timed run left another image'
  else row.rounds[round] = { seconds, rss }
}

/** What is kept of a row. */
export function rowOf({ id, name, note, commands, problem, isOurs, isOptional, rounds }, ours) {
  const hasCommon = rounds.some((round, i) => round !== null && ours.rounds[i] !== null)
  const inTheWay = problem ?? (ours.problem === null && hasCommon ? null : 'not compared')
  const summary = inTheWay === null ? summarize(rounds, ours.rounds) : null
  return { id, name, note, commands, isOurs, isOptional, problem: inTheWay, rounds, summary }
}

/** No figure is ever too bad, but a wrong image of ours is no merge. */
export function isFailure({ isOurs = false, isOptional = false, problem }) {
  if (!isOurs || problem === null) return false
  return !isOptional || problem.startsWith('WRONG')
}
