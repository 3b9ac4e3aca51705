// umlcow copy against cp --sparse=auto, in turns, on a dense, a half-full and a very sparse file:
// node bench/copy.js [OPTIONS]
import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { main, numberOption, wholeOption, withHome } from './home.js'
import { timed } from './processor-time.js'
import { gib, mib } from './shapes.js'

const usage = `usage: node bench/copy.js [OPTIONS]
  --scale N      size of the files; default 1: 2 GiB dense, 2 GiB half full, 64 GiB with 1 GiB of data
  --rounds N     default 5
  --file NAME    only this one: dense, half or sparse
  --dir DIR      make the temporary directory there; it chooses the file system
  --umlcow FILE  the command to measure; default bin/umlcow.js of this repository
`
const text = { type: 'string' }
const optionTypes = {
  scale: { ...text, default: '1' },
  rounds: { ...text, default: '5' },
  file: text,
  dir: { ...text, default: tmpdir() },
  umlcow: { ...text, default: fileURLToPath(new URL('../bin/umlcow.js', import.meta.url)) },
}

/** The bytes of a file, and how many of each MiB of them hold data; the data of `sparse` lies in pieces of 256 KiB. */
const shapes = {
  dense: { size: 2 * gib, piece: mib, every: mib },
  half: { size: 2 * gib, piece: 4 * mib, every: 8 * mib },
  sparse: { size: 64 * gib, piece: mib / 4, every: 16 * mib },
}

function readOptions() {
  const { values } = parseArgs({ options: optionTypes })
  const { file, dir, umlcow } = values
  if (file !== undefined && !(file in shapes)) throw new Error(`--file ${file}: no such file`)
  const names = file === undefined ? Object.keys(shapes) : [file]
  const scale = numberOption('scale', values.scale, 1 / 1024)
  return { names, dir, umlcow, scale, rounds: wholeOption('rounds', values.rounds, 1) }
}

function makeFile(file, { size, piece, every }, scale) {
  const fd = openSync(file, 'w')
  const bytes = Buffer.alloc(piece)
  for (let i = 0; i < piece; i++) bytes[i] = 1 + ((i * 7919) % 251)
  const end = Math.floor((size * scale) / every) * every
  for (let at = 0; at < end; at += every) writeSync(fd, bytes, 0, piece, at)
  ftruncateSync(fd, end)
  closeSync(fd)
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

function assertSame(a, b) {
  if (spawnSync('/usr/bin/cmp', [a, b]).status !== 0) throw new Error(`${a} and ${b} differ`)
}

function measure(home, name, { umlcow, scale, rounds }) {
  const from = path.join(home, name)
  const to = (row) => path.join(home, `${name}.${row}`)
  makeFile(from, shapes[name], scale)
  spawnSync('/usr/bin/sync', [])
  const ours = [process.execPath, umlcow, 'copy', '-q', '--no-sync', '--reflink=never', from]
  const commands = {
    umlcow: [...ours, to('umlcow')],
    again: [...ours, to('again')],
    cp: ['/usr/bin/cp', '--sparse=auto', '--reflink=never', from, to('cp')],
  }
  const rows = Object.keys(commands)
  const results = Object.fromEntries(rows.map((row) => [row, []]))
  // The first round is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      const result = timed(commands[row])
      if (round > 0) results[row].push(result)
      if (round === 0 && row !== 'cp' && scale <= 1 / 4) assertSame(from, to(row))
      if (round < rounds) rmSync(to(row))
    }
  }
  const stored = (file) => (statSync(file).blocks * 512) / mib
  for (const row of rows) {
    const ratios = results[row].map(({ seconds }, i) => seconds / results.cp[i].seconds)
    process.stdout.write(
      `${name.padEnd(7)} ${row.padEnd(7)} ${median(results[row].map((one) => one.seconds)).toFixed(3)} s  ` +
        `${median(ratios).toFixed(2)} of cp (${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)})  ` +
        `processor ${median(results[row].map((one) => one.processor)).toFixed(2)} s  ` +
        `${Math.max(...results[row].map(({ rss }) => rss)).toFixed(0)} MiB of memory  ` +
        `stored ${stored(to(row)).toFixed(1)} of ${stored(from).toFixed(1)} MiB\n`,
    )
    rmSync(to(row))
  }
  rmSync(from)
}

await main('copy', usage, readOptions, (options) =>
  withHome(options.dir, async (home) => {
    for (const name of options.names) measure(home, name, options)
  }),
)
