// convert and compact against qemu-img convert, in both directions, with and without -W -m 8. Warm, without fsync, which
// qemu-img does not do either. Each round runs all commands of a job.  node bench/convert.js [OPTIONS]
import { rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { main, numberOption, wholeOption, withHome } from './home.js'
import { median, run, timeCommands } from './measure.js'
import { makePair } from './pairs.js'
import { defaultCommand, programs } from './programs.js'
import { writeQcow2 } from './qcow2.js'
import { chooseWorkloads, defaultWorkloads, sizeAt } from './workloads.js'

const usage = `Usage: node bench/convert.js [OPTIONS]

Times umlcow convert and compact beside qemu-img convert, and checks every image with qemu-img compare.

  --workload NAMES  such as W1,W3; default ${defaultWorkloads}
  --scale NUMBER    of the sizes in docs/performance.md; default 0.25
  --rounds NUMBER   default 5
  --directory DIR   where the images go; default /var/tmp
  --help
`

function readOptions() {
  const { values } = parseArgs({
    options: {
      workload: { type: 'string', default: defaultWorkloads },
      scale: { type: 'string', default: '0.25' },
      rounds: { type: 'string', default: '5' },
      directory: { type: 'string', default: '/var/tmp' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return null
  return {
    workloads: chooseWorkloads(values.workload),
    scale: numberOption('scale', values.scale, 0.001),
    rounds: wholeOption('rounds', values.rounds, 1),
    directory: values.directory,
  }
}

/** The commands that make the same image from the same content. The first one of each job is ours. */
function jobsOf({ pair, qcow2, output, clusterSize }) {
  const ours = (...words) => [process.execPath, defaultCommand, ...words]
  const convert = (...words) => ours('convert', '--quiet', '--no-sync', ...words, output)
  const qemu = (...words) => [
    ['qemu-img', [programs.qemuImg, 'convert', ...words, output]],
    ['qemu-img -W -m 8', [programs.qemuImg, 'convert', '-W', '-m', '8', ...words, output]],
  ]
  const { overlay, backing, merged } = pair
  const size = ['-o', `cluster_size=${clusterSize}`]
  const over = ['-O', 'qcow2', '-B', backing, '-F', 'raw', ...size]
  return [
    ['qcow2 to raw', 'raw', convert(qcow2), qemu('-f', 'qcow2', '-O', 'raw', qcow2)],
    ['COW to raw', 'raw', convert(overlay), qemu('-f', 'qcow2', '-O', 'raw', qcow2)],
    ['raw to qcow2', 'qcow2', convert('-f', 'raw', '-O', 'qcow2', merged), qemu('-f', 'raw', '-O', 'qcow2', merged)],
    ['COW to qcow2 overlay', 'qcow2', convert(...over, overlay), qemu('-f', 'qcow2', ...over, qcow2)],
    [
      'compact raw',
      'raw',
      ours('compact', '--quiet', '--no-sync', '-o', output, merged),
      qemu('-f', 'raw', '-O', 'raw', merged),
    ],
  ]
}

async function checkImage(output, format, merged) {
  const words = ['compare', '-q', '-f', format, '-F', 'raw', output, merged]
  const { failure } = await run(programs.qemuImg, words)
  if (failure !== null) throw new Error(`${output}: differs from the merged image`)
}

async function timeJob([title, format, ours, peers], { directory, rounds, output, merged }) {
  const rows = [['umlcow', ours], ...peers].map(([name, command]) => ({ name, command, seconds: [], rss: 0 }))
  for (const row of rows) {
    rmSync(output, { force: true })
    const { failure } = await run(row.command[0], row.command.slice(1))
    if (failure !== null) throw new Error(`${title}, ${row.name}: ${failure}`)
    await checkImage(output, format, merged)
  }
  for (let round = 0; round < rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      const makeRoom = () => rmSync(output, { force: true })
      const how = { start: () => {}, warm: () => {}, makeRoom, directory, touch: 0 }
      const { seconds, rss } = await timeCommands({ commands: [row.command] }, how)
      row.seconds.push(seconds)
      row.rss = Math.max(row.rss, rss ?? 0)
    }
  }
  return rows
}

function report(workload, title, [ours, ...peers]) {
  const parts = peers.map(({ name, seconds }) => {
    const ratios = seconds.map((peer, i) => peer / ours.seconds[i]).sort((a, b) => a - b)
    return `${name} ${median(seconds).toFixed(2)} s, ${median(ratios).toFixed(2)}x (${ratios[0].toFixed(2)}..${ratios.at(-1).toFixed(2)})`
  })
  const rss = Math.round(ours.rss / 2 ** 20)
  console.log(`${workload} ${title}: umlcow ${median(ours.seconds).toFixed(2)} s, ${rss} MiB; ${parts.join('; ')}`)
}

await main('convert', usage, readOptions, ({ workloads, scale, rounds, directory }) =>
  withHome(directory, async (home) => {
    for (const workload of workloads) {
      const pair = makePair(workload, home, sizeAt(workload, scale))
      const qcow2 = path.join(home, 'overlay.qcow2')
      const output = path.join(home, 'output')
      writeQcow2(qcow2, pair, workload.clusterSize)
      const { clusterSize } = workload
      for (const job of jobsOf({ pair, qcow2, output, clusterSize })) {
        report(workload.name, job[0], await timeJob(job, { directory: home, rounds, output, merged: pair.merged }))
      }
      for (const file of [pair.overlay, pair.backing, pair.merged, qcow2, output]) rmSync(file, { force: true })
    }
  }),
)
