import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, watch } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { commandPath, type Outcome } from './command.js'

export interface Limit {
  readonly milliseconds: number
  /** What they count from: the start of the process, or the first journal that it makes or replaces. */
  readonly from: 'start' | 'journal'
}

/** Run the built command; kill it for good when its time is over, unless it has ended before. */
export function umlcowFor(limit: Limit, args: readonly string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const begin = () => {
      timer ??= setTimeout(() => child.kill('SIGKILL'), limit.milliseconds)
    }
    const watcher = limit.from === 'journal' ? watch(cwd, (_, name) => isJournal(name) && begin()) : null
    const child = spawn(process.execPath, [commandPath, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    if (limit.from === 'start') begin()
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.on('error', reject)
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      watcher?.close()
      resolve({ status, signal, stdout, stderr })
    })
  })
}

function isJournal(name: string | null): boolean {
  return name?.endsWith('.umlcow-journal') === true
}

/** Longer than any command of a test takes. */
export const noLimit: Limit = { milliseconds: 120_000, from: 'start' }

/** Milliseconds that a command takes in all, and from its first journal to its end. */
export async function timeUmlcow(args: readonly string[], cwd: string): Promise<Record<Limit['from'], number>> {
  const started = performance.now()
  let marked = started
  const watcher = watch(cwd, (_, name) => {
    if (marked === started && isJournal(name)) marked = performance.now()
  })
  const { status, stderr } = await umlcowFor(noLimit, args, cwd)
  watcher.close()
  if (status !== 0) throw new Error(`umlcow ${args.join(' ')}: status ${status}: ${stderr}`)
  return { start: performance.now() - started, journal: performance.now() - marked }
}

/** Do something with each, so many at a time. */
export async function eachOf<T>(items: readonly T[], atOnce: number, run: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const work = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

/** Copy a directory with holes, times and all. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', '--sparse=always', from, to])
}

/** Where a merge in place was when it was killed. */
export type KilledIn = 'nothing' | 'preparing' | 'writing' | 'finished'

/** @param mtime  in the header of `cow` before the merge */
export function killedIn(directory: string, mtime: number): KilledIn {
  const journal = path.join(directory, 'cow.umlcow-journal')
  if (existsSync(journal)) {
    const { phase } = JSON.parse(readFileSync(journal, 'utf8'))
    if (phase === 'preparing' || phase === 'writing') return phase
    throw new Error(`the journal tells of the phase ${phase}`)
  }
  const cow = path.join(directory, 'cow')
  if (!existsSync(cow)) return 'finished'
  return readFileSync(cow).readUInt32BE(8) === mtime ? 'nothing' : 'finished'
}

/** Names in a directory but for the temporary files that a killed process could not remove. */
export function lastingNames(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !(name.startsWith('.umlcow-') && name.endsWith('.tmp')))
    .sort()
}

/** Files of a directory that some process holds umlcow's lock of. */
export function lockedNames(directory: string): string[] {
  const sockets = readFileSync('/proc/net/unix', 'latin1')
  return readdirSync(directory).filter((name) => {
    const { dev, ino } = statSync(path.join(directory, name), { bigint: true })
    return sockets.includes(`umlcow file ${dev}:${ino} `)
  })
}
