// Processes that the script starts. Whatever happens, it ends those, and no others.
import { spawn } from 'node:child_process'

/** A situation could not be made here. */
export class CannotRun extends Error {}

const running = new Set()

/** Start a program, without a shell. @param {{ cwd?: string, env?: object }} options */
export function start([program, ...args], options = {}) {
  const env = { ...process.env, ...options.env, LC_ALL: 'C' }
  const child = spawn(program, args, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) {
    child[name].on('data', (chunk) => {
      text[name] += chunk
    })
  }
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: null, signal: error.code, ...text }))
    child.once('close', (status, signal) => resolve({ status, signal, ...text }))
  }).finally(() => running.delete(child))
  return { child, ended, hasEnded: () => child.exitCode !== null || child.signalCode !== null }
}

/** Run a program to its end. @returns {Promise<{ status: number | null, signal: string | null, stdout: string, stderr: string }>} */
export async function run(command, options = {}) {
  const { child, ended } = start(command, options)
  const timer = setTimeout(() => child.kill('SIGKILL'), 120_000)
  try {
    return await ended
  } finally {
    clearTimeout(timer)
  }
}

/** Run a program that only prepares: it has to succeed. */
export async function prepare(command, options) {
  const { status, signal, stderr } = await run(command, options)
  if (status !== 0) throw new Error(`${command.join(' ')}: ${signal ?? `status ${status}`}: ${stderr}`)
}

/** End a process and wait for it. SIGTERM first: the tools of uml-lab then end their guests. */
export async function end({ child, ended }) {
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await ended
  clearTimeout(timer)
}

/** On the way out. */
export function endAll() {
  for (const child of running) {
    child.kill('SIGCONT')
    child.kill('SIGTERM')
  }
}

export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

export async function waitFor(condition, what, seconds = 30) {
  const deadline = Date.now() + seconds * 1000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await pause(20)
  }
}
