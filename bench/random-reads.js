// How long a read of 4 KiB at a random place of an overlay takes: node bench/random-reads.js [-- OPTIONS].
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { main, wholeOption, withHome } from './home.js'
import { makePair } from './pairs.js'
import { gib, mib, randomNumbers, scattered } from './shapes.js'

const usage = `usage: node bench/random-reads.js [OPTIONS]
  --other FILE  a dist/index.js of another build, to compare with; it reads in turns with this one
  --reads N     reads of each build in a round; default 1000
  --rounds N    default 5
  --dir DIR     make the temporary directory there; it chooses the file system
`
const text = { type: 'string' }
const optionTypes = {
  other: text,
  reads: { ...text, default: '1000' },
  rounds: { ...text, default: '5' },
  dir: { ...text, default: tmpdir() },
}

const readLength = 4096
/** An open image keeps the bits of 16 GiB in memory, in pieces of 64 MiB each: those of the last span do not all fit. */
const spans = [256 * mib, 4 * gib, 16 * gib, 64 * gib]

const few = {
  name: 'random-reads',
  backingRuns: (size, random) => scattered(size, mib, 64 * mib, random),
  overlayRuns: (size, random) => scattered(size, 4096, size / 256, random),
}

function readOptions() {
  const { values } = parseArgs({ options: optionTypes })
  const ours = new URL('../dist/index.js', import.meta.url).href
  return {
    builds: [ours, ...(values.other === undefined ? [] : [pathToFileURL(path.resolve(values.other)).href])],
    reads: wholeOption('reads', values.reads, 1),
    rounds: wholeOption('rounds', values.rounds, 1),
    dir: values.dir,
  }
}

/** Places that every build reads in every round: after the first, untimed one the page cache holds them. */
function placesIn(span, count) {
  const random = randomNumbers(`random-reads ${span}`)
  return Float64Array.from({ length: count }, () => random(span / readLength) * readLength)
}

/** @returns microseconds a read took */
async function timeReads(image, places) {
  const target = new Uint8Array(readLength)
  const start = performance.now()
  for (const place of places) await image.read(place, target)
  return ((performance.now() - start) * 1000) / places.length
}

async function measureSpan({ builds, reads, rounds }, overlay, span) {
  const places = placesIn(span, reads)
  const rows = []
  for (const build of builds) {
    const { openImage } = await import(build)
    rows.push({ image: await openImage(overlay), times: [] })
  }
  for (let round = 0; round <= rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      const time = await timeReads(row.image, places)
      if (round > 0) row.times.push(time)
    }
  }
  for (const { image } of rows) await image.close()
  return rows.map(({ times }) => times)
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function line(span, [ours, other]) {
  const shown = `${span / mib} MiB`.padStart(10)
  const mine = `${median(ours).toFixed(1)} us a read`
  if (other === undefined) return `${shown}  ${mine}`
  const ratios = ours.map((time, i) => other[i] / time)
  const range = `${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)}`
  return `${shown}  ${mine}, other ${median(other).toFixed(1)} us, ratio ${median(ratios).toFixed(1)} (${range})`
}

await main('random-reads', usage, readOptions, (options) =>
  withHome(options.dir, async (home) => {
    const { overlay } = makePair(few, path.join(home, 'pair'), spans.at(-1))
    for (const span of spans) console.log(line(span, await measureSpan(options, overlay, span)))
  }),
)
