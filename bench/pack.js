// pack and unpack against "tar -cS | lz4" and "lz4 -d | tar -xS". Warm, without fsync, which tar does not do either. Each
// round runs all commands of a job.  node bench/pack.js [OPTIONS]
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { main, numberOption, wholeOption, withHome } from './home.js'
import { median, run } from './measure.js'
import { makePair } from './pairs.js'
import { timed } from './processor-time.js'
import { defaultCommand } from './programs.js'
import { chooseWorkloads, defaultWorkloads, sizeAt } from './workloads.js'

const usage = `Usage: node bench/pack.js [OPTIONS]

Times umlcow pack and unpack beside GNU tar and lz4, on the overlay and the backing file of each workload.

  --workload NAMES  such as W1,W3; default ${defaultWorkloads}
  --scale NUMBER    of the sizes in docs/performance.md; default 0.25
  --rounds NUMBER   default 5
  --threads NUMBER  of umlcow; default 2
  --directory DIR   where the images go; default /var/tmp
  --help
`

function readOptions() {
  const { values } = parseArgs({
    options: {
      workload: { type: 'string', default: defaultWorkloads },
      scale: { type: 'string', default: '0.25' },
      rounds: { type: 'string', default: '5' },
      threads: { type: 'string', default: '2' },
      directory: { type: 'string', default: '/var/tmp' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return null
  return {
    workloads: chooseWorkloads(values.workload),
    scale: numberOption('scale', values.scale, 0.001),
    rounds: wholeOption('rounds', values.rounds, 1),
    threads: wholeOption('threads', values.threads, 1),
    directory: values.directory,
  }
}

const shell = (script, ...words) => ['/bin/bash', ['-c', `set -o pipefail; ${script}`, 'bash', ...words]]

/** The commands of each job. The first one is ours. */
function jobsOf({ overlay, backing }, { home, threads }) {
  const at = (name) => path.join(home, name)
  const ours = (...words) => [process.execPath, [defaultCommand, ...words]]
  const plain = ['--quiet', '--no-sync', '--overwrite']
  const threadWords = ['--threads', String(threads)]
  const force = ['--force=mtime,size']
  return [
    [
      'pack',
      ours('pack', ...plain, ...threadWords, ...force, at('ours'), overlay, backing),
      shell('tar -cSPf - "$2" "$3" | lz4 -q > "$1"', at('theirs'), overlay, backing),
    ],
    [
      'unpack',
      ours('unpack', ...plain, '-C', at('out'), at('ours')),
      shell('lz4 -dcq "$1" | tar -xSf - -C "$2"', at('ours'), at('out')),
    ],
  ]
}

async function timeJob([title, ...commands], { rounds, home }) {
  const rows = commands.map((command) => ({ command, seconds: [], processor: [], rss: 0 }))
  const makeRoom = () => {
    rmSync(path.join(home, 'out'), { recursive: true, force: true })
    mkdirSync(path.join(home, 'out'))
  }
  for (let round = -1; round < rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      makeRoom()
      if (round < 0) {
        const { failure } = await run(...row.command)
        if (failure !== null) throw new Error(`${title}: ${failure}`)
        continue
      }
      const { seconds, processor, rss } = timed(row.command.flat())
      row.seconds.push(seconds)
      row.processor.push(processor)
      row.rss = Math.max(row.rss, rss)
    }
  }
  return rows
}

function report(workload, title, [ours, theirs]) {
  const ratioOf = (what) => {
    const ratios = theirs[what].map((peer, i) => peer / ours[what][i]).sort((a, b) => a - b)
    return `${median(ratios).toFixed(2)}x (${ratios[0].toFixed(2)}..${ratios.at(-1).toFixed(2)})`
  }
  const best = Math.min(...theirs.seconds) / Math.min(...ours.seconds)
  const seconds = [ours, theirs].map((row) => `${median(row.seconds).toFixed(2)} s`)
  console.log(
    `${workload} ${title}: umlcow ${seconds[0]}, ${ours.rss.toFixed(0)} MiB; tar and lz4 ${seconds[1]}, ` +
      `${ratioOf('seconds')}, fastest rounds ${best.toFixed(2)}x, processor ${ratioOf('processor')}`,
  )
}

await main('pack', usage, readOptions, ({ workloads, scale, rounds, threads, directory }) =>
  withHome(directory, async (home) => {
    for (const workload of workloads) {
      const pair = makePair(workload, home, sizeAt(workload, scale))
      for (const job of jobsOf(pair, { home, threads })) {
        report(workload.name, job[0], await timeJob(job, { rounds, home }))
      }
      for (const file of [pair.overlay, pair.backing, pair.merged]) rmSync(file, { force: true })
    }
  }),
)
