// What a run of the benchmark does with one pair: into a new file, or in place from one of two starts.
import { rmSync } from 'node:fs'
import path from 'node:path'
import { hasMergedRun } from './compare.js'
import { makeTarget, newFileEntries } from './peers.js'
import { becomeSteady, firstRun, inPlaceEntries, keepCopies, makeSteady, putBack } from './peers-in-place.js'
import { readInputs } from './warm-inputs.js'

export function filesIn(directory) {
  return {
    output: path.join(directory, 'output.img'),
    qcow2: path.join(directory, 'overlay.qcow2'),
    copies: path.join(directory, 'copies'),
  }
}

/** @returns {import('./rounds.js').Job} */
export function newFileJob(options, pair, directory) {
  const files = filesIn(directory)
  const makeRoom = (entry) => {
    rmSync(files.output, { force: true })
    makeTarget(entry, pair, files.output)
  }
  const entries = newFileEntries(options, pair, files)
  const warm = (entry) => readInputs(entry, pair, files, false)
  return { directory, pair, entries, result: files.output, prepareCheck: makeRoom, makeRoom, warm }
}

/** Every check run merges into the files as they were; what the timed runs start from is told by `first`. */
export async function inPlaceJob(options, pair, directory) {
  const files = filesIn(directory)
  const copies = await keepCopies(pair, files)
  const common = {
    directory,
    pair,
    entries: inPlaceEntries(options, pair, files),
    result: pair.backing,
    prepareCheck: () => putBack(copies),
    warm: (entry) => readInputs(entry, pair, files, true),
    wasMerged: () => hasMergedRun(pair.backing, pair, firstRun(pair)),
  }
  if (options.first) return { ...common, start: () => putBack(copies) }
  return {
    ...common,
    settle: () => becomeSteady(pair, copies),
    start: (entry) => makeSteady(entry, pair, files, copies),
  }
}

/** The first row, which all others are compared with, and those with one of the words in their names or notes. */
export function chooseEntries(entries, words) {
  if (words === null) return entries
  return entries.filter(({ name, note }, i) => i === 0 || words.some((word) => `${name} ${note}`.includes(word)))
}
