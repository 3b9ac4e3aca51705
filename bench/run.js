// Compare `umlcow merge` with the tools that do the same: npm run bench [-- OPTIONS].  See bench/README.md.
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { main, numberOption, wholeOption, withHome } from './home.js'
import { chooseEntries, filesIn, inPlaceJob, newFileJob } from './jobs.js'
import { canDropCaches } from './page-cache.js'
import { makePair } from './pairs.js'
import { defaultCommand } from './programs.js'
import { writeQcow2 } from './qcow2.js'
import { loadText, machineFacts, machineText, sizeText, tableText, touchedText } from './report.js'
import { checkCommands, isFailure, rowOf, timeRounds } from './rounds.js'
import { compileFloor, toolVersions } from './tools.js'
import { chooseWorkloads, defaultWorkloads, sizeAt } from './workloads.js'

const usage = `usage: node bench/run.js [OPTIONS]
  --scale N          sizes times N, as 1 or 1/8; default 1/8
  --rounds N         default 7
  --slow-rounds N    rounds for a command whose check run took over 20 s; default 3
  --workload W1,W4   default W1 to W5; W6 is all of its members, W6-4K-12 is one
  --in-place         merge into the backing file, which holds the merged bytes already
  --first            with --in-place: into the backing file as it was, holes included
  --cold             drop the page cache before each run; needs root
  --copiers          time each way of umlcow's to copy, too, where it has them
  --only NAME,...    only the rows with one of these in their names or notes, and the first
  --json FILE        write every single figure there
  --dir DIR          make the temporary directory there; it chooses the file system
  --touch GIB        memory to touch before each run; default none
  --umlcow FILE      time this bin/umlcow.js instead of the one beside bench/
`

const text = { type: 'string' }
const flag = { type: 'boolean', default: false }
const optionTypes = {
  scale: { ...text, default: '1/8' },
  rounds: { ...text, default: '7' },
  'slow-rounds': { ...text, default: '3' },
  workload: { ...text, default: defaultWorkloads },
  'in-place': flag,
  first: flag,
  cold: flag,
  copiers: flag,
  only: text,
  json: text,
  dir: { ...text, default: tmpdir() },
  touch: { ...text, default: '0' },
  umlcow: { ...text, default: defaultCommand },
}

function readOptions() {
  const { values } = parseArgs({ options: optionTypes })
  if (values.first && !values['in-place']) throw new Error('--first goes with --in-place')
  if (values.copiers && values['in-place']) throw new Error('--copiers is for merges into a new file')
  if (values.cold && !canDropCaches()) throw new Error('--cold: the page cache may not be dropped here; run it as root')
  return {
    scale: numberOption('scale', values.scale, 2 ** -12),
    rounds: wholeOption('rounds', values.rounds, 1),
    slowRounds: wholeOption('slow-rounds', values['slow-rounds'], 0),
    touch: numberOption('touch', values.touch, 0),
    workloads: chooseWorkloads(values.workload),
    inPlace: values['in-place'],
    first: values.first,
    cold: values.cold,
    copiers: values.copiers,
    only: values.only?.split(',').map((word) => word.trim()) ?? null,
    json: values.json,
    directory: path.resolve(values.dir),
    umlcow: path.resolve(values.umlcow),
  }
}

/** Make the pair, check that all commands give its merged image, then time them. */
async function benchWorkload(workload, home, options) {
  const directory = path.join(home, workload.name)
  const pair = makePair(workload, directory, sizeAt(workload, options.scale))
  const { virtualSize, backingData, overlayData } = pair
  const sizes = `${sizeText(backingData)} of data in ${sizeText(virtualSize)}, ${sizeText(overlayData)} allocated`
  console.log(`\n${workload.name}: ${workload.what}; ${sizes}`)
  writeQcow2(filesIn(directory).qcow2, pair, workload.clusterSize)
  const job = options.inPlace ? await inPlaceJob(options, pair, directory) : newFileJob(options, pair, directory)
  const checks = await checkCommands({ ...job, entries: chooseEntries(job.entries, options.only) })
  if (checks[0].problem === null) await timeRounds(checks, job, options)
  const rows = checks.map((row) => rowOf(row, checks[0]))
  rmSync(directory, { recursive: true })
  const { name, what, runLength, runCount } = workload
  return { name, what, runLength, runCount, virtualSize, backingData, overlayData, rows }
}

async function bench(options, home) {
  const { scale, rounds, slowRounds, touch, inPlace, first, cold } = options
  const machine = machineFacts(home)
  const tools = await toolVersions()
  const kind = inPlace ? `in place, ${first ? 'first' : 'steady'}` : 'new file'
  console.log(`${machineText(machine)}\n${Object.entries(tools).join('; ').replaceAll(',', ': ')}`)
  console.log(`${kind}${cold ? ', cold' : ''}, scale ${scale}, rounds: ${rounds}${touchedText(touch)}`)
  const loads = [loadText()]
  console.log(`load ${loads[0]}`)
  const floor = await compileFloor(home)
  const results = []
  for (const workload of options.workloads) {
    results.push(await benchWorkload(workload, home, { ...options, floor }))
    console.log(`\n${tableText(results.slice(-1))}`)
    const conditions = { kind, cold, scale, rounds, slowRounds, touch, loads: [...loads, loadText()] }
    // After each workload: a run takes hours, and may not come to its end.
    if (options.json !== undefined) writeJson(options.json, { ...conditions, machine, tools, workloads: results })
  }
  console.log(`\n${tableText(results)}\n\nload at the end ${loadText()}`)
  return results.some((result) => result.rows.some(isFailure)) ? 1 : 0
}

function writeJson(file, document) {
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`)
}

await main('bench', usage, readOptions, (options) => withHome(options.directory, (home) => bench(options, home)))
