import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Outcome } from './command.js'
import { root } from './paths.js'

// A process that has the built command loaded and runs one command line after another. See command-server.js.

/** Seconds that a run has at the least, and a process before it is replaced: against a command that never ends. */
const runLimit = 600
const ageLimit = 300

interface Server {
  /** By `performance.now`. */
  readonly startedAt: number
  readonly child: ChildProcess
  readonly requests: number
  readonly answers: number
  readonly stdout: number
  readonly stderr: number
}

let server: Server | undefined

function startServer(): Server {
  const directory = mkdtempSync(path.join(tmpdir(), 'umlcow-server-'))
  try {
    const names = ['requests', 'answers'].map((name) => path.join(directory, name)) as [string, string]
    const made = spawnSync('mkfifo', names)
    if (made.status !== 0) throw new Error(`mkfifo: ${made.stderr}`)
    // Both ways, or opening waits for the other end.
    const requests = openSync(names[0], 'r+')
    const bothWays = openSync(names[1], 'r+')
    const asked = openSync(names[0], 'r')
    const answers = openSync(names[1], 'r')
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND
    const [stdout, stderr] = ['stdout', 'stderr'].map((name) => openSync(path.join(directory, name), flags)) as [
      number,
      number,
    ]
    // No timer of this process would come: it waits without an event loop.
    const limits = ['-s', 'KILL', String(runLimit + ageLimit)]
    const args = [...limits, process.execPath, path.join(root, 'test/support/command-server.js')]
    const startedAt = performance.now()
    // Memory as the workers have it: see test/vitest.config.ts. The command itself gets the environment of its request.
    const env = { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }
    const child = spawn('timeout', args, { env, stdio: ['ignore', stdout, stderr, asked, bothWays] })
    child.on('error', () => {}) // Told by the end of what it answers.
    child.unref()
    // With the child's alone open, reading tells when it has died.
    closeSync(asked)
    closeSync(bothWays)
    return { startedAt, child, requests, answers, stdout, stderr }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function stopServer({ requests, answers, stdout, stderr }: Server): void {
  for (const fd of [requests, answers, stdout, stderr]) closeSync(fd)
  server = undefined
}

function readAll(fd: number): string {
  const bytes = Buffer.alloc(fstatSync(fd).size)
  for (let at = 0; at < bytes.length; ) at += readSync(fd, bytes, at, bytes.length - at, at)
  return bytes.toString()
}

function readAnswer(fd: number): { status: number | null; isWorn: boolean } {
  let text = ''
  const bytes = Buffer.alloc(4096)
  while (!text.endsWith('\n')) {
    const count = readSync(fd, bytes)
    if (count === 0) return { status: null, isWorn: true }
    text += bytes.toString('utf8', 0, count)
  }
  return JSON.parse(text)
}

/** Run a command line in the process that is kept for it; nothing is on its standard input. */
export function runWarm(args: readonly string[], cwd = process.cwd()): Outcome {
  if (server !== undefined && performance.now() - server.startedAt > ageLimit * 1000) stopServer(server)
  server ??= startServer()
  const { requests, answers, stdout, stderr } = server
  for (const fd of [stdout, stderr]) ftruncateSync(fd, 0)
  const request = Buffer.from(`${JSON.stringify({ args, cwd, env: process.env, umask: process.umask() })}\n`)
  for (let done = 0; done < request.length; ) done += writeSync(requests, request, done)
  const { status, isWorn } = readAnswer(answers)
  const outcome = { status, signal: null, stdout: readAll(stdout), stderr: readAll(stderr) }
  if (isWorn) stopServer(server)
  if (status === null) throw new Error(`umlcow ${args.join(' ')}: died, or took too long: ${outcome.stderr}`)
  return outcome
}
