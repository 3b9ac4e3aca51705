// LZ4 alone, in MB/s of unpacked bytes, by the clock and by processor time of all threads: the streams of umlcow beside
// the lz4 command, in turns within each round.
// Run "npm run build" first, then: node bench/lz4.js [FILE...]; without files it makes zeros, noise and machine code.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { compressStream, decompressStream } from '../dist/index.js'
import { timed } from './processor-time.js'

const rounds = 3
const mostBytes = 64 * 1024 * 1024
const directory = mkdtempSync(path.join(tmpdir(), 'umlcow-bench-lz4-'))
const packed = path.join(directory, 'packed.lz4')

function madeFiles() {
  const contents = {
    zeros: Buffer.alloc(mostBytes),
    noise: randomBytes(mostBytes),
    code: readFileSync(process.execPath).subarray(0, mostBytes),
  }
  return Object.entries(contents).map(([name, bytes]) => {
    const file = path.join(directory, name)
    writeFileSync(file, bytes)
    return file
  })
}

async function* pieces(file) {
  const fd = openSync(file, 'r')
  const memory = Buffer.alloc(256 * 1024)
  try {
    for (let count = readSync(fd, memory); count > 0; count = readSync(fd, memory)) yield memory.subarray(0, count)
  } finally {
    closeSync(fd)
  }
}

async function drain(stream) {
  let length = 0
  for await (const piece of stream) length += piece.length
  return length
}

const command = (...args) => timed(['/usr/bin/lz4', '-q', '-f', ...args, '/dev/null'])

async function timedHere(run) {
  const started = performance.now()
  const before = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(before)
  return { seconds: (performance.now() - started) / 1000, processor: (user + system) / 1e6 }
}

const reuseMemory = true

/** What is measured, by name. */
const ways = {
  'lz4 -1': (file) => command('-1', file),
  'umlcow, 1 thread': (file) =>
    timedHere(() => drain(compressStream(pieces(file), { format: 'lz4', threads: 1, reuseMemory }))),
  'umlcow, 2 threads': (file) =>
    timedHere(() => drain(compressStream(pieces(file), { format: 'lz4', threads: 2, reuseMemory }))),
  'lz4 -d': () => command('-d', packed),
  'umlcow, unpack': () => timedHere(() => drain(decompressStream(pieces(packed), { reuseMemory }))),
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}

const rate = (megabytes, list, what) => (megabytes / median(list.map((one) => one[what]))).toFixed(0).padStart(6)

async function measure(file) {
  const megabytes = statSync(file).size / 1e6
  if (spawnSync('/usr/bin/lz4', ['-q', '-f', file, packed]).status !== 0) throw new Error('lz4 failed')
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(ways)) {
      times[name].push(await run(file))
    }
  }
  console.log(`${path.basename(file)}, ${megabytes.toFixed(0)} MB, median of ${rounds}`)
  for (const [name, list] of Object.entries(times))
    console.log(
      `  ${name.padEnd(18)} ${rate(megabytes, list, 'seconds')} MB/s  processor ${rate(megabytes, list, 'processor')}`,
    )
}

try {
  const given = process.argv.slice(2)
  for (const file of given.length > 0 ? given : madeFiles()) await measure(file)
} finally {
  rmSync(directory, { recursive: true })
}
