// What a command takes, by /usr/bin/time: on a machine that does other things too, the processor time says more.
import { spawnSync } from 'node:child_process'

const gnuTime = '/usr/bin/time'
// What certificates there are takes Node 30 ms to read, at each start.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env

/** Run a command with its peak of memory. @returns seconds, seconds of processor time, MiB */
export function timed([program, ...args]) {
  const start = performance.now()
  const run = spawnSync(gnuTime, ['-f', '%M %U %S', program, ...args], { env, encoding: 'utf8' })
  const seconds = (performance.now() - start) / 1000
  if (run.status !== 0) throw new Error(`${program}: ${run.error?.message ?? run.stderr}`)
  const [kib, user, system] = run.stderr.trim().split('\n').at(-1).split(' ').map(Number)
  return { seconds, processor: user + system, rss: kib / 1024 }
}
