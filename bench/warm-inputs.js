// Have the kernel know what a command is going to read: some kernels take out of the page cache what nobody has read for a
// while, and then the first command of a round would wait for the disk.
import { readSync, statSync } from 'node:fs'
import { withFile } from './pairs.js'
import { mib } from './shapes.js'

const target = Buffer.allocUnsafe(mib)

/**
 * Read what the commands of a row merge or copy, where it holds data.
 *
 * @param {boolean} inPlace  of the backing file only what the overlay supplies is read
 */
export function readInputs({ commands }, pair, { qcow2 }, inPlace) {
  const words = commands.flat()
  if (words.includes(pair.merged)) {
    readRuns(pair.merged, 0, pair.backingRuns())
    readRuns(pair.merged, 0, pair.overlayRuns())
    return
  }
  readRuns(pair.backing, 0, inPlace ? pair.overlayRuns() : pair.backingRuns())
  if (words.includes(qcow2)) readRuns(qcow2, 0, [{ start: 0, end: statSync(qcow2).size }])
  else readRuns(pair.overlay, pair.overlayDataOffset, pair.overlayRuns())
}

function readRuns(file, base, runs) {
  withFile(file, 'r', (descriptor) => {
    for (const { start, end } of runs) {
      for (let at = start; at < end; at += target.length) {
        readSync(descriptor, target, 0, Math.min(target.length, end - at), base + at)
      }
    }
  })
}
