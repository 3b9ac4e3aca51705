// What is timed for a merge into a new file.
import { truncateSync, writeFileSync } from 'node:fs'
import { codeOf, programs } from './programs.js'

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} name
 * @property {string} [note]
 * @property {string[][]} commands   one after another, timed as one
 * @property {string[]} needs        programs; without one of them the row says ABSENT
 * @property {boolean} [isOurs]
 * @property {boolean} [isOptional]  a failure says that this machine or this build has not got it
 * @property {boolean} [usesQcow2]
 * @property {boolean} [needsTarget] the output has to be there, with its size
 * @property {string[]} [warm]       directories of its code
 */

/** @returns {Entry} */
export function entry(id, name, commands, more = {}) {
  return { id, name, commands, needs: commands.map(([program]) => program), ...more }
}

/** What every run of ours begins with, and what is told of it. */
export function ourCommand(umlcow) {
  return { start: [process.execPath, umlcow, 'merge', '-q'], more: { isOurs: true, warm: codeOf(umlcow) } }
}

/** The ways of ours to copy what lies below the overlay, by name. */
const copiers = ['cp', 'extents', 'read', 'reflink']

/**
 * The commands of a workload, ours first. All make the same image at `output`.
 *
 * @param {{ umlcow: string, copiers: boolean }} options  bin/umlcow.js of the build to time
 * @returns {Entry[]}
 */
export function newFileEntries(options, pair, { output, qcow2 }) {
  const { start, more } = ourCommand(options.umlcow)
  const { umlMoo, cp } = programs
  const plain = [...start, '--no-sync', pair.overlay, output]
  const entries = [
    entry('ours', 'umlcow merge --no-sync', [plain], more),
    entry('control', 'the same again', [plain], { ...more, note: 'control' }),
    entry('ours-sync', 'umlcow merge', [[...start, pair.overlay, output]], { ...more, note: 'with its fsyncs' }),
    entry('uml_moo', 'uml_moo', [[umlMoo, pair.overlay, output]]),
    ...qcow2Entries(qcow2, output),
    entry('cp-always', 'cp --sparse=always', [[cp, '--sparse=always', pair.merged, output]], ofResult),
    entry('cp-auto', 'cp --reflink=auto', [[cp, '--sparse=auto', '--reflink=auto', pair.merged, output]], ofResult),
    ddEntry(pair, output),
  ]
  if (options.copiers) {
    for (const way of copiers) {
      const command = [...start, '--no-sync', `--copier=${way}`, pair.overlay, output]
      entries.push(entry(`copier-${way}`, `umlcow merge --copier=${way}`, [command], { ...more, isOptional: true }))
    }
  }
  return entries
}

const ofResult = { note: 'of the result' }

function ddEntry({ merged }, output) {
  const command = [programs.dd, `if=${merged}`, `of=${output}`, 'bs=1M', 'conv=sparse', 'status=none']
  return entry('dd-sparse', 'dd conv=sparse bs=1M', [command], ofResult)
}

function qcow2Entries(qcow2, output) {
  const { qemuImg, qemuNbd, nbdcopy } = programs
  const convert = [qemuImg, 'convert', '-f', 'qcow2', '-O', 'raw']
  const parallel = [...convert, '-W', '-m', '8', '-n', qcow2, output]
  const served = [nbdcopy, '--', '[', qemuNbd, '-r', '-f', 'qcow2', qcow2, ']', output]
  const more = { note: 'of an equal qcow2', usesQcow2: true }
  return [
    entry('qemu-convert', 'qemu-img convert', [[...convert, qcow2, output]], more),
    entry('qemu-convert-w', 'qemu-img convert -W -m 8 -n', [parallel], { ...more, needsTarget: true }),
    entry('nbdcopy', 'nbdcopy', [served], { ...more, needsTarget: true, needs: [nbdcopy, qemuNbd] }),
  ]
}

/** An empty file of the right size, where a command wants one. */
export function makeTarget({ needsTarget = false }, pair, output) {
  if (!needsTarget) return
  writeFileSync(output, '')
  truncateSync(output, pair.virtualSize)
}
