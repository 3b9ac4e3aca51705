// Run commands as whole processes, one after another, and say how long each took.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { dropCaches, warmUp } from './page-cache.js'
import { gnuTime, isExecutable } from './programs.js'

const rssHook = fileURLToPath(new URL('report-rss.js', import.meta.url))

/** How the peak of memory is found: GNU time sees every process, the hook only those of Node. */
export const rssMethod = isExecutable(gnuTime) ? `${gnuTime} -f %M` : 'a hook in Node, ours only'

/** With the first, Node reads certificates for 30 ms at each start, and nobody means to time that. */
const { NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...environment } = process.env

/** The process that runs now, so that a signal can end it. */
let running = null

export function stopRunning() {
  if (running?.pid === undefined) return
  try {
    // A process group of its own: GNU time would leave what it runs.
    process.kill(-running.pid, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

/**
 * Run a program to its end, without a shell.
 *
 * @returns {Promise<{ seconds: number, failure: string | null, output: string }>}
 */
export function run(program, args, env = {}) {
  return new Promise((resolve) => {
    const output = []
    const start = process.hrtime.bigint()
    const options = { stdio: ['ignore', 'pipe', 'pipe'], env: { ...environment, ...env }, detached: true }
    const child = spawn(program, args, options)
    running = child
    let seconds = 0
    child.stdout.on('data', (chunk) => output.push(chunk))
    child.stderr.on('data', (chunk) => output.push(chunk))
    child.on('exit', () => {
      seconds = secondsSince(start)
    })
    child.on('error', (error) => resolve({ seconds: 0, failure: error.message, output: '' }))
    child.on('close', (status, signal) => {
      running = null
      const text = Buffer.concat(output).toString()
      const failure = status === 0 ? null : `ended with ${status ?? signal}: ${text.trim().split('\n')[0]}`
      resolve({ seconds, failure, output: text })
    })
  })
}

function secondsSince(start) {
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** Run commands one after another as one; it ends at the first that fails. @returns as `run` */
export async function runAll(commands, runOne = ([program, ...args]) => run(program, args)) {
  const start = process.hrtime.bigint()
  const output = []
  for (const [i, command] of commands.entries()) {
    const done = await runOne(command, i)
    // That of a single command ends at its exit, not where its output was read.
    if (commands.length === 1) return done
    output.push(done.output)
    if (done.failure !== null) return { ...done, output: output.join('') }
  }
  return { seconds: secondsSince(start), failure: null, output: output.join('') }
}

/**
 * Time one row's commands, from the same start every time: no output of the one before, nothing left to write back. The output
 * goes late: its memory is at hand then, which a virtual machine gives back to its host two seconds later (see the README).
 *
 * @param {{ commands: string[][], warm?: string[][], anyStatus?: boolean }} entry
 * @param {object} options
 * @param {() => Promise<void> | void} options.start  puts back what the one before has changed
 * @param {() => void} options.warm                   reads what is going to be read, after that; not if cold
 * @param {() => void} options.makeRoom               removes the output of the one before
 * @param {string} options.directory
 * @param {number} options.touch                      GiB
 * @param {boolean} [options.cold]                    drop the page cache
 *
 * @returns {Promise<{ seconds: number, rss: number | null, failure: string | null }>}  rss in bytes
 */
export async function timeCommands(entry, { start, warm, makeRoom, directory, touch, cold = false }) {
  await start()
  if (!cold) warm()
  if (touch > 0) await touchMemory(touch)
  makeRoom()
  await run('sync', [])
  if (cold) {
    dropCaches()
    await warmUp(entry, run)
  }
  const rssFiles = entry.commands.map((_, i) => path.join(directory, `rss-${i}`))
  for (const file of rssFiles) rmSync(file, { force: true })
  const { seconds, failure } = await runAll(entry.commands, (command, i) => runWithRss(command, rssFiles[i]))
  const problem = entry.anyStatus === true && seconds > 0 ? null : failure
  return { seconds, failure: problem, rss: problem === null ? readRss(rssFiles) : null }
}

function runWithRss([program, ...args], rssFile) {
  if (isExecutable(gnuTime)) return run(gnuTime, ['-f', '%M', '-o', rssFile, program, ...args])
  if (program !== process.execPath) return run(program, args)
  return run(program, ['--import', rssHook, ...args], { UMLCOW_BENCH_RSS: rssFile })
}

/** The highest of them. GNU time puts a line before the figure of a command that failed. */
function readRss(files) {
  try {
    const peaks = files.map((file) => Number(readFileSync(file, 'utf8').trim().split('\n').at(-1)))
    return Math.max(...peaks) * 1024
  } catch {
    return null // Nothing here tells the memory of that command.
  }
}

/** Have a process take and write memory and end: what a virtual machine's host has to find, it finds now. */
async function touchMemory(gib) {
  const script = `for (let i = 0, kept = []; i < ${Math.round(gib * 16)}; i++) kept.push(Buffer.alloc(2 ** 26, 1))`
  const { failure } = await run(process.execPath, ['-e', script])
  if (failure !== null) console.error(`bench: memory could not be touched: ${failure}`)
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
