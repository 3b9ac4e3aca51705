import type { Duplex } from 'node:stream'
import type { Outcome } from './command.js'
import { runCommand, startCommand } from './hooked-command.js'

type Args = readonly string[]

interface Stopped {
  readonly ended: Promise<Outcome>
  /** @param delay  milliseconds to wait before going on */
  goOn(delay: number): void
}

/** Start the command, and wait until it stops before a call; all its calls on the files count. */
async function stopAt(call: number, args: Args, cwd: string): Promise<Stopped> {
  const { child, ended } = startCommand(args, cwd, { counts: 'all', stop: call })
  const barrier = child.stdio[3] as Duplex
  const stopped = new Promise((resolve) => barrier.once('data', resolve))
  const early = ended.then(({ status, stderr }) => {
    throw new Error(`umlcow ${args.join(' ')} made less than ${call} calls: status ${status}: ${stderr}`)
  })
  await Promise.race([stopped, early])
  early.catch(() => {})
  return {
    ended,
    goOn: (delay) => void barrier.end(`${delay}\n`),
  }
}

/** A command that begins and ends while another one is stopped before one of its calls. @returns outcomes of both */
export async function runBetween(call: number, stopped: Args, between: Args, cwd: string): Promise<[Outcome, Outcome]> {
  const outer = await stopAt(call, stopped, cwd)
  const inner = await runCommand(between, cwd)
  outer.goOn(0)
  return [await outer.ended, inner]
}

/** Load two commands, let them go so many milliseconds from now, and wait for both. */
export async function race(
  racers: readonly [Args, Args],
  delays: readonly [number, number],
  cwd: string,
): Promise<[Outcome, Outcome]> {
  const [first, second] = await Promise.all([stopAt(1, racers[0], cwd), stopAt(1, racers[1], cwd)])
  first.goOn(delays[0])
  second.goOn(delays[1])
  return Promise.all([first.ended, second.ended])
}
