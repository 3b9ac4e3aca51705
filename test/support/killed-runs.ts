import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { diceFor, sampleOf } from './amount.js'
import { type AtCall, startCommand } from './hooked-command.js'

// Runs of the built command that are killed at a call, never after a time. What a killed process leaves behind changes
// with its calls alone, so that a kill before each call, and those within a long write, are all there are.

export interface KillPoint {
  /** From 1; the end of the process counts, too. */
  readonly call: number
  /** Half of what the call writes is written. */
  readonly torn: boolean
  /** The call with its operands. */
  readonly text: string
}

/** The calls of an undisturbed run, one after another. */
export async function callsOf(
  args: readonly string[],
  cwd: string,
  counts: AtCall['counts'] = 'changes',
): Promise<string[]> {
  const directory = mkdtempSync(path.join(tmpdir(), 'umlcow-calls-'))
  try {
    const log = path.join(directory, 'calls')
    const { status, stderr } = await startCommand(args, cwd, { counts, log }).ended
    if (status !== 0) throw new Error(`umlcow ${args.join(' ')}: status ${status}: ${stderr}`)
    return JSON.parse(readFileSync(log, 'utf8'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

export function killPoints(calls: readonly string[]): KillPoint[] {
  return calls.flatMap((text, i) => {
    const point = { call: i + 1, torn: false, text }
    const length = Number(/^write .* (\d+)$/.exec(text)?.[1] ?? 0)
    return length > 2 * 4096 ? [point, { ...point, torn: true }] : [point]
  })
}

export function pointText({ call, torn, text }: KillPoint): string {
  return `killed ${torn ? 'half way through' : 'before'} call ${call}, ${text}`
}

/** Run the command, which dies there, or at its end when it makes fewer calls. */
export async function killUmlcow({ call, torn }: KillPoint, args: readonly string[], cwd: string): Promise<void> {
  const { status, signal, stderr } = await startCommand(args, cwd, { counts: 'changes', kill: call, torn }).ended
  if (signal !== 'SIGKILL') throw new Error(`umlcow ${args.join(' ')}: status ${status}: ${stderr}`)
}

/** Some points of a run, that many, among them one of each kind when there are no more kinds. */
export function chosenPoints(
  name: string,
  points: readonly KillPoint[],
  count: number,
  kindOf: (point: KillPoint) => string,
): KillPoint[] {
  const dice = diceFor(`kills of ${name}`)
  const chosen = sampleOf(name, points, count, kindOf)
  while (chosen.length > count) chosen.splice(dice.below(chosen.length), 1)
  while (chosen.length < count) chosen.push(dice.pick(points))
  return chosen
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
