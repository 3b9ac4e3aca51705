// What is merged. The sizes are those of docs/performance.md, at scale 1.
import { all, everySecondSector, gib, longRuns, mib, runsPerWindow, scattered } from './shapes.js'

const kib = 1024

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} what
 * @property {number} virtualSize   bytes, at scale 1
 * @property {number} clusterSize   of the qcow2 overlay that qemu-img gets in its place
 * @property {(size: number, random: import('./shapes.js').Random) => Iterable<import('./shapes.js').Run>} backingRuns
 *                                  where the backing file has data
 * @property {(size: number, random: import('./shapes.js').Random) => Iterable<import('./shapes.js').Run>} overlayRuns
 *                                  what the overlay supplies
 */

/** @type {readonly Workload[]} */
const mainWorkloads = [
  {
    name: 'W1',
    what: '4 KiB writes scattered over a half full image',
    virtualSize: 4 * gib,
    clusterSize: 4 * kib,
    backingRuns: (size, random) => scattered(size, mib, size / 2, random),
    overlayRuns: (size, random) => scattered(size, 4 * kib, size / 16, random),
  },
  {
    name: 'W2',
    what: 'runs of 4 MiB over a half full image',
    virtualSize: 4 * gib,
    clusterSize: 64 * kib,
    backingRuns: (size, random) => scattered(size, mib, size / 2, random),
    overlayRuns: (size, random) => longRuns(size, 4 * mib, random),
  },
  {
    name: 'W3',
    what: '4 KiB writes scattered over a big image that is nearly all holes',
    virtualSize: 64 * gib,
    clusterSize: 4 * kib,
    backingRuns: (size, random) => scattered(size, mib, size / 64, random),
    overlayRuns: (size, random) => scattered(size, 4 * kib, size / 1024, random),
  },
  {
    name: 'W4',
    what: 'every second 512-byte sector of a full image',
    virtualSize: 2 * gib,
    clusterSize: 64 * kib,
    backingRuns: all,
    overlayRuns: everySecondSector,
  },
  {
    name: 'W5',
    what: 'an overlay that is full',
    virtualSize: 2 * gib,
    clusterSize: 64 * kib,
    backingRuns: all,
    overlayRuns: all,
  },
]

/** Runs in each 256 KiB, on both sides of where writing the whole window becomes quicker than writing its runs. */
const runCounts = [4, 8, 12, 16, 24, 32, 48, 64]

const crossover = [4 * kib, 512].flatMap((runLength) =>
  runCounts.map((count) => ({
    name: `W6-${runLength === 512 ? '512' : '4K'}-${count}`,
    what: `${count} runs of ${runLength} bytes in each 256 KiB of a full image`,
    virtualSize: gib,
    clusterSize: 4 * kib,
    backingRuns: all,
    overlayRuns: (size) => runsPerWindow(size, count, runLength),
    runLength,
    runCount: count,
  })),
)

/** @type {readonly Workload[]} */
const workloads = [...mainWorkloads, ...crossover]

export const defaultWorkloads = mainWorkloads.map((workload) => workload.name).join(',')

/** The workloads named: W6 is all of its members. @throws when there is none of a name */
export function chooseWorkloads(text) {
  return text.split(',').flatMap((word) => {
    const name = word.trim().toUpperCase()
    const chosen = workloads.filter((one) => one.name.toUpperCase() === name || one.name.startsWith(`${name}-`))
    if (chosen.length === 0) throw new Error(`--workload ${word}: expected W1 to W6, or a member as W6-4K-12`)
    return chosen
  })
}

/** Virtual size at a scale: whole MiB, at least 16 of them, so that no shape comes out empty. */
export function sizeAt(workload, scale) {
  return Math.max(16, Math.round((workload.virtualSize * scale) / mib)) * mib
}
