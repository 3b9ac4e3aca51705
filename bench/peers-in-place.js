// What is timed for a merge into the backing file, and from which start.
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { run } from './measure.js'
import { setMtime, spoil, writeOver } from './pairs.js'
import { entry, ourCommand } from './peers.js'
import { programs } from './programs.js'
import { sectorSize } from './shapes.js'

/**
 * The commands, ours first. All leave the merged image at `pair.backing`.
 *
 * @param {{ umlcow: string, floor: string }} options  floor: the C program
 * @returns {import('./peers.js').Entry[]}
 */
export function inPlaceEntries({ umlcow, floor }, pair, { qcow2 }) {
  const { start, more } = ourCommand(umlcow)
  const ours = [...start, '-d', '--leave']
  const plain = [...ours, '--no-sync', pair.overlay]
  const moo = [programs.umlMoo, '-d', pair.overlay]
  const commit = [programs.qemuImg, 'commit', '-q', '-f', 'qcow2']
  const ofQcow2 = { usesQcow2: true }
  return [
    entry('ours', 'umlcow merge -d --no-sync', [plain], more),
    entry('control', 'the same again', [plain], { ...more, note: 'control' }),
    entry('ours-sync', 'umlcow merge -d', [[...ours, pair.overlay]], { ...more, note: 'with its fsyncs' }),
    entry('uml_moo', 'uml_moo -d', [moo]),
    entry('uml_moo-sync', 'uml_moo -d, then sync', [moo, [programs.sync]]),
    entry('qemu-commit-unsafe', 'qemu-img commit -t unsafe', [[...commit, '-t', 'unsafe', qcow2]], {
      ...ofQcow2,
      note: 'an equal qcow2',
    }),
    entry('qemu-commit', 'qemu-img commit', [[...commit, qcow2]], { ...ofQcow2, note: 'with its fsyncs' }),
    entry('floor', 'floor.c', [[floor, pair.overlay]], { note: 'a read and a write for each run' }),
  ]
}

/** Keep a copy of what merges in place change. @returns the files to put back, each with its copy */
export async function keepCopies(pair, files) {
  const copies = []
  // Not beside them: a copy of the overlay would be a sibling.
  mkdirSync(files.copies)
  for (const file of [pair.backing, pair.overlay, files.qcow2]) {
    if (!existsSync(file)) continue
    const copy = path.join(files.copies, path.basename(file))
    copies.push({ file, copy })
    await copyFile(file, copy)
  }
  return copies
}

/** As they were, holes included: the next merge is the first into them. */
export async function putBack(copies) {
  for (const { file, copy } of copies) {
    rmSync(file, { force: true })
    await copyFile(copy, file)
  }
}

async function copyFile(from, to) {
  const { failure } = await run(programs.cp, ['-p', '--sparse=always', from, to])
  if (failure !== null) throw new Error(`cp ${from}: ${failure}`)
}

/** From now on the backing file has the merged bytes and all their blocks. */
export async function becomeSteady(pair, copies) {
  await putBack(copies)
  writeOver(pair.backing, pair)
}

/**
 * Make the next merge into a backing file possible that has been merged into before. Every block that it writes is spoilt:
 * bytes that are there already are no work for those that look first.
 */
export async function makeSteady(row, pair, files, copies) {
  if (row.usesQcow2) await putBack(copies.filter(({ file }) => file === files.qcow2))
  spoil(pair.backing, pair)
  setMtime(pair.backing)
}

/** The first sector of the overlay's. */
export function firstRun(pair) {
  for (const { start } of pair.overlayRuns()) return { start, end: start + sectorSize }
  throw new Error('unreachable: an overlay without runs')
}
