// Compare `umlcow merge` with the tools that do the same: npm run bench [-- OPTIONS].  See bench/README.md.
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  commandsFor,
  filesIn,
  inPlaceCommandsFor,
  isAbsent,
  keepCopies,
  makeQcow2,
  putBack,
  toolVersions,
} from './commands.js'
import { isSameContent, run, stopRunning, timeCommand } from './measure.js'
import { loadText, machineFacts, machineText, sizeText, summarize, tableText } from './report.js'
import { makePair, workloads } from './workloads.js'

const usage = `usage: node bench/run.js [OPTIONS]
  --scale N          sizes times N; default 1, fractions are allowed
  --rounds N         default 7
  --workload W1,W4   default all
  --in-place         merge into the backing file
  --json FILE        write every single figure there
  --dir DIR          make the temporary directory there; it chooses the file system
  --touch GIB        memory to touch before each run; default 2, 0 for none
  --umlcow FILE      time this bin/umlcow.js instead of the one beside bench/
`

const defaultCommand = fileURLToPath(new URL('../bin/umlcow.js', import.meta.url))

function readOptions() {
  const text = { type: 'string' }
  const { values } = parseArgs({
    options: {
      scale: { ...text, default: '1' },
      rounds: { ...text, default: '7' },
      workload: { ...text, default: workloads.map((workload) => workload.name).join(',') },
      'in-place': { type: 'boolean', default: false },
      json: text,
      dir: { ...text, default: tmpdir() },
      touch: { ...text, default: '2' },
      umlcow: { ...text, default: defaultCommand },
    },
  })
  const names = values.workload.split(',')
  const chosen = names.map((name) => workloads.find((workload) => workload.name === name.trim().toUpperCase()))
  if (chosen.includes(undefined)) throw new Error(`--workload ${values.workload}: expected some of W1 to W5`)
  return {
    scale: numberOption('scale', values.scale, 2 ** -10),
    rounds: Math.floor(numberOption('rounds', values.rounds, 1)),
    touch: numberOption('touch', values.touch, 0),
    workloads: chosen,
    inPlace: values['in-place'],
    json: values.json,
    directory: path.resolve(values.dir),
    umlcow: path.resolve(values.umlcow),
  }
}

function numberOption(name, text, least) {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < least)
    throw new Error(`--${name} ${text}: no such number`)
  return value
}

/** Make the pair, check that all commands agree on its merged image, then time them. */
async function benchWorkload(workload, home, options) {
  const directory = path.join(home, workload.name)
  const pair = makePair(workload, directory, options.scale)
  const sizes = `${sizeText(pair.backingData)} of data in ${sizeText(pair.virtualSize)}, ${sizeText(pair.overlayData)} allocated`
  console.log(`\n${workload.name}: ${workload.what}; ${sizes}`)
  const files = filesIn(directory)
  const job = await prepare(workload, pair, files, options)
  const checks = await checkCommands(job, files)
  for (const { name, problem } of checks) if (problem !== null) console.log(`*** ${name}: ${problem}`)
  if (checks[0].problem === null) await timeRounds(checks, job, options)
  const rows = checks.map((row) => rowOf(row, checks[0]))
  rmSync(directory, { recursive: true })
  const { name, what } = workload
  const { virtualSize, backingData, overlayData } = pair
  return { name, what, virtualSize, backingData, overlayData, rows }
}

/** The commands, where they leave the merged image, and how to clear up after one. */
async function prepare(workload, pair, files, options) {
  const directory = path.dirname(files.output)
  const reference = commandsFor(options.umlcow, pair, files)
  // uml_moo vouches for the image, ours where it is absent.
  const witness = reference.find((entry) => entry.name === 'uml_moo' && !isAbsent(entry)) ?? reference[0]
  if (witness === reference[0]) console.log('*** uml_moo is absent: nothing vouches for what is timed here')
  const failure = (await run(witness.program, witness.command.slice(1))).failure
  if (failure === null) renameSync(files.output, files.merged)
  const qcow2Problem = failure === null ? await makeQcow2(workload, pair, files) : null
  if (failure === null && isSameContent(files.merged, pair.backing))
    console.log('*** the overlay changes nothing: no benchmark')
  const common = { directory, qcow2Problem, failure: failure === null ? null : `FAILED: ${witness.name} ${failure}` }
  if (!options.inPlace) {
    return { ...common, entries: reference, result: files.output, start: () => rmSync(files.output, { force: true }) }
  }
  const copies = await keepCopies(pair, files)
  const entries = inPlaceCommandsFor(options.umlcow, pair, files)
  return { ...common, entries, result: pair.backing, start: () => putBack(copies) }
}

/** Run each command once. Its result has to equal the witness's. */
async function checkCommands(job, files) {
  const checked = []
  for (const entry of job.entries) {
    const own = entry.command.includes(files.qcow2) ? job.qcow2Problem : null
    checked.push({ ...entry, problem: job.failure ?? own ?? (await checkCommand(entry, job, files)), rounds: [] })
  }
  return checked
}

async function checkCommand(entry, job, files) {
  if (isAbsent(entry)) return 'ABSENT'
  await job.start()
  const { failure } = await run(entry.program, entry.command.slice(1))
  if (failure !== null) return `FAILED: ${failure}`
  if (!existsSync(job.result)) return 'FAILED: it made no output'
  return isSameContent(job.result, files.merged) ? null : 'WRONG: its output differs'
}

/** All commands in each round, in turn; every second round in the other direction, for the one before may matter. */
async function timeRounds(rows, { start, directory }, options) {
  for (let round = 0; round < options.rounds; round++) {
    const good = rows.filter((row) => row.problem === null)
    for (const row of round % 2 === 0 ? good : good.reverse()) {
      const timed = await timeCommand(row.command, { start, directory, touch: options.touch })
      if (timed.failure === null) row.rounds.push({ seconds: timed.seconds, rss: timed.rss })
      else row.problem = `FAILED: ${timed.failure}`
    }
    process.stderr.write('.')
  }
  process.stderr.write('\n')
}

function rowOf({ name, note, command, problem, rounds }, ours) {
  const inTheWay = problem ?? (ours.problem === null ? null : 'not compared')
  const summary = inTheWay === null ? summarize(rounds, ours.rounds) : null
  return { name, note, command, problem: inTheWay, rounds, summary }
}

async function bench(options) {
  const home = mkdtempSync(path.join(options.directory, 'umlcow-bench-'))
  const cleanUp = () => rmSync(home, { recursive: true, force: true, maxRetries: 3 })
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.on(signal, () => {
      stopRunning()
      cleanUp()
      process.exit(status)
    })
  }
  try {
    const machine = machineFacts(home)
    const tools = await toolVersions()
    const { scale, rounds, touch } = options
    console.log(`${machineText(machine)}\n${Object.entries(tools).join('; ').replaceAll(',', ': ')}`)
    console.log(`scale ${scale}, rounds: ${rounds}, ${touch} GiB touched before each run, load ${loadText()}`)
    const results = []
    for (const workload of options.workloads) results.push(await benchWorkload(workload, home, options))
    console.log(`\n${tableText(results)}\n\nload at the end ${loadText()}`)
    if (options.json !== undefined) {
      const document = { machine, tools, scale, rounds, touch, workloads: results }
      writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`)
    }
    // No figure is ever too bad, but a wrong image is no merge.
    return results.every((result) => result.rows[0].problem === null) ? 0 : 1
  } finally {
    cleanUp()
  }
}

let options
try {
  options = readOptions()
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n${usage}`)
  process.exitCode = 64
}
if (options !== undefined) process.exitCode = await bench(options)
