// Run commands as whole processes, one after another, and say how long each took.
import { spawn } from 'node:child_process'
import { accessSync, closeSync, constants, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const gnuTime = '/usr/bin/time'
const rssHook = fileURLToPath(new URL('report-rss.js', import.meta.url))

export function isExecutable(program) {
  try {
    accessSync(program, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** How the peak of memory is found: GNU time sees every process, the hook only those of Node. */
export const rssMethod = isExecutable(gnuTime) ? `${gnuTime} -f %M` : 'a hook in Node, ours only'

/** The process that runs now, so that a signal can end it. */
let running = null

export function stopRunning() {
  // A process group of its own: GNU time would leave what it runs.
  if (running?.pid !== undefined) process.kill(-running.pid, 'SIGKILL')
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
    const options = { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, detached: true }
    const child = spawn(program, args, options)
    running = child
    let seconds = 0
    child.stdout.on('data', (chunk) => output.push(chunk))
    child.stderr.on('data', (chunk) => output.push(chunk))
    child.on('exit', () => {
      seconds = Number(process.hrtime.bigint() - start) / 1e9
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

/**
 * Time one command, from the same start every time: no output of the one before, nothing left to write back, free memory
 * that the host has given (see the README).
 *
 * @param {{ start: () => Promise<void> | void, directory: string, touch: number }} options  start clears up after the one before
 *
 * @returns {Promise<{ seconds: number, rss: number | null, failure: string | null }>}  rss in bytes
 */
export async function timeCommand(command, { start, directory, touch }) {
  await start()
  if (touch > 0) await touchMemory(touch)
  await run('sync', [])
  const rssFile = path.join(directory, 'rss')
  rmSync(rssFile, { force: true })
  const { seconds, failure } = await runWithRss(command, rssFile)
  return { seconds, failure, rss: failure === null ? readRss(rssFile) : null }
}

function runWithRss([program, ...args], rssFile) {
  if (isExecutable(gnuTime)) return run(gnuTime, ['-f', '%M', '-o', rssFile, program, ...args])
  if (program !== process.execPath) return run(program, args)
  return run(program, ['--import', rssHook, ...args], { UMLCOW_BENCH_RSS: rssFile })
}

function readRss(file) {
  try {
    return Number(readFileSync(file, 'utf8')) * 1024
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

const compareLength = 1024 * 1024

/** True when two files hold the same bytes. */
export function isSameContent(a, b) {
  const files = [openSync(a, 'r'), openSync(b, 'r')]
  const buffers = [Buffer.alloc(compareLength), Buffer.alloc(compareLength)]
  try {
    for (let at = 0; ; at += compareLength) {
      const [left, right] = files.map((file, i) => buffers[i].subarray(0, readFully(file, buffers[i], at)))
      if (!left.equals(right)) return false
      if (left.length < compareLength) return true
    }
  } finally {
    for (const file of files) closeSync(file)
  }
}

function readFully(file, buffer, offset) {
  let length = 0
  for (let count = -1; count !== 0 && length < buffer.length; length += count) {
    count = readSync(file, buffer, length, buffer.length - length, offset + length)
  }
  return length
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
