// How the time of a merge goes with the size of the image and with what is allocated: npm run bench:series [-- OPTIONS].
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { main, numberOption, wholeOption, withHome } from './home.js'
import { defaultCommand } from './programs.js'
import { loadText, machineFacts, machineText, sizeText } from './report.js'
import { isFailure } from './rounds.js'
import { measurePoint } from './series-point.js'
import { gib, mib } from './shapes.js'
import { timeStartUp } from './start-up.js'
import { compileFloor, toolVersions } from './tools.js'

const usage = `usage: node bench/series.js [OPTIONS]
  --max SIZE       the largest image, as 64G or 1T; default 64G
  --scale N        data and changes times N, as 1 or 1/8; default 1/8. Sizes of images stay
  --rounds N       default 3
  --limit SECONDS  another's command that took longer is left out of what is larger; default 60
  --parts a,b,c    (a) size of the image, (b) what is allocated, (c) start-up; default all
  --starts N       rounds of (c); default 15
  --json FILE      write every single figure there
  --dir DIR        make the temporary directory there; it chooses the file system
  --touch GIB      memory to touch before each run of (a) and (b); default none
  --umlcow FILE    time this bin/umlcow.js instead of the one beside bench/
`

const sizes = [1, 4, 16, 64, 256, 1024].map((count) => count * gib)
const changes = 64 * mib
const amounts = [16, 64, 256, 1024, 2048].map((count) => count * mib)
const amountsIn = 64 * gib
const units = { M: mib, G: gib, T: 1024 * gib }

const text = { type: 'string' }
const optionTypes = {
  max: { ...text, default: '64G' },
  scale: { ...text, default: '1/8' },
  rounds: { ...text, default: '3' },
  limit: { ...text, default: '60' },
  parts: { ...text, default: 'a,b,c' },
  starts: { ...text, default: '15' },
  json: text,
  dir: { ...text, default: tmpdir() },
  touch: { ...text, default: '0' },
  umlcow: { ...text, default: defaultCommand },
}

function readOptions() {
  const { values } = parseArgs({ options: optionTypes })
  const parts = values.parts.split(',').map((part) => part.trim())
  if (!parts.every((part) => ['a', 'b', 'c'].includes(part)))
    throw new Error(`--parts ${values.parts}: expected a, b, c`)
  const rounds = wholeOption('rounds', values.rounds, 1)
  return {
    max: sizeOption('max', values.max),
    scale: numberOption('scale', values.scale, 2 ** -12),
    rounds,
    slowRounds: rounds,
    limit: numberOption('limit', values.limit, 0),
    parts,
    starts: wholeOption('starts', values.starts, 1),
    touch: numberOption('touch', values.touch, 0),
    json: values.json,
    directory: path.resolve(values.dir),
    umlcow: path.resolve(values.umlcow),
  }
}

function sizeOption(name, value) {
  const [, count, unit] = /^(\d+)([MGT])$/i.exec(value) ?? []
  if (count === undefined) throw new Error(`--${name} ${value}: expected a size as 64G`)
  const size = Number(count) * units[unit.toUpperCase()]
  if (size < gib || size > 16 * units.T) throw new Error(`--${name} ${value}: expected 1G to 16T`)
  return size
}

/**
 * One series: a point after the other, without the commands that have become too slow.
 *
 * @param measured  gets the points
 * @param keep      is called after each: the large ones take long, and what was measured shall not be lost
 */
async function measureSeries(points, home, options, measured, keep) {
  const tooSlow = new Set()
  for (const point of points) {
    console.log(`${sizeText(point.virtualSize)} image, ${sizeText(point.overlayData)} allocated`)
    const result = await measurePoint(point, home, options, tooSlow)
    for (const row of result.rows) console.log(rowText(row))
    measured.push(result)
    keep()
  }
}

function rowText({ name, problem, summary }) {
  if (problem !== null) return `  ${name}: ${problem}`
  const peak = summary.rss === null ? '' : `, ${(summary.rss / mib).toFixed(0)} MiB`
  return `  ${name}: ${summary.seconds.toFixed(3)} s${peak}`
}

async function series(options, home) {
  const { scale, rounds, touch, limit, max, parts } = options
  const machine = machineFacts(home)
  const tools = await toolVersions()
  const loads = [loadText()]
  console.log(`${machineText(machine)}\nscale ${scale}, rounds: ${rounds}, load ${loads[0]}`)
  const withFloor = { ...options, floor: await compileFloor(home) }
  const bySize = sizes.filter((size) => size <= max)
  const results = { size: [], allocated: [], startUp: [] }
  const keep = () => {
    if (options.json === undefined) return
    const document = { kind: 'series', scale, rounds, touch, limit, loads, machine, tools, ...results }
    writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`)
  }
  if (parts.includes('a')) {
    const points = bySize.map((virtualSize) => ({ virtualSize, overlayData: changes * scale }))
    await measureSeries(points, home, withFloor, results.size, keep)
  }
  if (parts.includes('b')) {
    const points = amounts.map((amount) => ({ virtualSize: Math.min(max, amountsIn), overlayData: amount * scale }))
    await measureSeries(points, home, withFloor, results.allocated, keep)
  }
  if (parts.includes('c')) {
    results.startUp = await timeStartUp(home, withFloor)
    for (const row of results.startUp) console.log(rowText(row))
  }
  loads.push(loadText())
  console.log(`load at the end ${loads[1]}`)
  keep()
  const rows = [...results.size, ...results.allocated].flatMap((point) => point.rows)
  return rows.some(isFailure) ? 1 : 0
}

await main('series', usage, readOptions, (options) => withHome(options.directory, (home) => series(options, home)))
