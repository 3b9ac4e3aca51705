// What is timed, and how its input comes to be.
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { isExecutable, run } from './measure.js'

const umlMoo = '/usr/bin/uml_moo'
const qemuImg = '/usr/bin/qemu-img'
const cp = '/bin/cp'

/**
 * The commands of a workload, ours first. All make the same image at `output`.
 *
 * @param {string} umlcow  bin/umlcow.js of the build to time
 * @returns {{ name: string, note?: string, program: string, command: string[] }[]}
 */
export function commandsFor(umlcow, pair, files) {
  const { output } = files
  const ours = [process.execPath, umlcow, 'merge', '-q']
  return [
    { name: 'umlcow merge --no-sync', command: [...ours, '--no-sync', pair.overlay, output] },
    { name: 'the same again', note: 'control', command: [...ours, '--no-sync', pair.overlay, output] },
    { name: 'umlcow merge', note: 'with its fsyncs', command: [...ours, pair.overlay, output] },
    { name: 'uml_moo', command: [umlMoo, pair.overlay, output] },
    { name: 'qemu-img convert', note: 'of an equal qcow2', command: [qemuImg, ...convertArgs, files.qcow2, output] },
    { name: 'cp --sparse=always', note: 'of the result', command: [cp, '--sparse=always', files.merged, output] },
  ].map((entry) => ({ ...entry, program: entry.command[0] }))
}

/**
 * The same for a merge into the backing file. All leave the merged image at `pair.backing`; what they change is put back
 * before each.
 */
export function inPlaceCommandsFor(umlcow, pair, files) {
  const ours = [process.execPath, umlcow, 'merge', '-q', '-d', '--leave']
  const commit = [qemuImg, 'commit', '-q', '-f', 'qcow2']
  return [
    { name: 'umlcow merge -d --no-sync', command: [...ours, '--no-sync', pair.overlay] },
    { name: 'the same again', note: 'control', command: [...ours, '--no-sync', pair.overlay] },
    { name: 'umlcow merge -d', note: 'with its fsyncs', command: [...ours, pair.overlay] },
    { name: 'uml_moo -d', command: [umlMoo, '-d', pair.overlay] },
    { name: 'qemu-img commit -t unsafe', note: 'an equal qcow2', command: [...commit, '-t', 'unsafe', files.qcow2] },
    { name: 'qemu-img commit', note: 'with its fsyncs', command: [...commit, files.qcow2] },
  ].map((entry) => ({ ...entry, program: entry.command[0] }))
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
    await run(cp, ['-p', '--sparse=always', file, copy])
  }
  return copies
}

/** As they were, holes included: what is measured is the first merge into them. */
export async function putBack(copies) {
  for (const { file, copy } of copies) {
    rmSync(file, { force: true })
    await run(cp, ['-p', '--sparse=always', copy, file])
  }
}

const convertArgs = ['convert', '-f', 'qcow2', '-O', 'raw']

export function isAbsent(entry) {
  return !isExecutable(entry.program)
}

/**
 * qemu-img has not read COW files since 2014: it gets a qcow2 overlay of the same content. An empty one on the merged
 * image is rebased to the backing file, which copies what differs.
 */
export async function makeQcow2(workload, pair, files) {
  if (!isExecutable(qemuImg)) return null
  const create = ['create', '-q', '-f', 'qcow2', '-o', `cluster_size=${workload.clusterSize}`]
  const steps = [
    [...create, '-b', files.merged, '-F', 'raw', files.qcow2],
    ['rebase', '-q', '-t', 'unsafe', '-b', pair.backing, '-F', 'raw', files.qcow2],
  ]
  for (const args of steps) {
    const { failure } = await run(qemuImg, args)
    if (failure !== null) return `qemu-img ${args[0]}: ${failure}`
  }
  return null
}

export function filesIn(directory) {
  return {
    output: path.join(directory, 'output.img'),
    merged: path.join(directory, 'merged.img'),
    qcow2: path.join(directory, 'overlay.qcow2'),
    copies: path.join(directory, 'copies'),
  }
}

/** The versions of the tools, as far as they tell. */
export async function toolVersions() {
  const versions = {}
  for (const program of [qemuImg, cp]) {
    if (isExecutable(program)) versions[program] = (await run(program, ['--version'])).output.split('\n')[0]
  }
  versions[umlMoo] = isExecutable(umlMoo) ? 'tells no version' : 'absent'
  return versions
}
