// The verbs that read file systems against debugfs, cat and node. Warm, each round runs all commands of a job.
// node bench/files.js [OPTIONS]
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { changeBlocks, makeFilesImage, makeLargeImage } from './file-images.js'
import { main, wholeOption, withHome } from './home.js'
import { median } from './measure.js'
import { timed } from './processor-time.js'
import { defaultCommand, programs } from './programs.js'

const debugfs = '/usr/sbin/debugfs'
const allJobs = ['ls', 'tar', 'large', 'cat', 'diff']

const usage = `Usage: node bench/files.js [OPTIONS]

Times ls, tar, cat and diff on ext4 images beside debugfs, cat and an empty program of Node. It needs mke2fs.

  --job NAMES      of ${allJobs.join(',')}; default all. diff makes a million files and takes minutes to begin
  --rounds NUMBER  default 5
  --directory DIR  where the images go; default /var/tmp
  --help
`

function readOptions() {
  const { values } = parseArgs({
    options: {
      job: { type: 'string', default: allJobs.join(',') },
      rounds: { type: 'string', default: '5' },
      directory: { type: 'string', default: '/var/tmp' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return null
  }
  const jobs = values.job.split(',')
  const unknown = jobs.find((job) => !allJobs.includes(job))
  if (unknown !== undefined) throw new Error(`--job ${unknown}: no such job`)
  return { jobs, rounds: wholeOption('rounds', values.rounds, 1), directory: values.directory }
}

/** A command whose output goes nowhere. @param statuses  that mean success beside 0 */
const silent = (program, args, status = 0) => [
  '/bin/sh',
  '-c',
  'good=$1; shift; "$@" > /dev/null 2> /dev/null; status=$?; [ $status = $good ] && exit 0; exit $status',
  'sh',
  String(status),
  program,
  ...args,
]

const ours = (args, status) => silent(process.execPath, [defaultCommand, ...args], status)

/** Each makes its images, and gives the commands to compare: ours first. */
const makers = {
  ls(home) {
    const image = path.join(home, 'ls.img')
    makeFilesImage(image, { files: 100_000, contentSize: 0, size: '1G' })
    const lists = Array.from({ length: 100 }, (_, i) => `ls -l /directory${i}\n`).join('')
    const script = `"$0" -f - "$1" > /dev/null 2>&1 <<END\n${lists}END\n`
    return {
      title: 'ls -lR, 100,000 files',
      commands: [
        ['umlcow ls -lR', ours(['ls', '-lR', image])],
        ['debugfs ls -l', ['/bin/sh', '-c', script, debugfs, image]],
      ],
    }
  },
  tar(home) {
    const image = path.join(home, 'tar.img')
    makeFilesImage(image, { files: 10_000, contentSize: 2048, size: '256M' })
    const out = path.join(home, 'out')
    return {
      title: '10,000 files to 2 KiB',
      makeRoom: () => {
        rmSync(out, { recursive: true, force: true })
        mkdirSync(out)
      },
      commands: [
        ['umlcow tar', ours(['tar', '--quiet', '--no-sync', '-o', path.join(out, 'tar'), image])],
        ['umlcow extract', ours(['extract', '--quiet', '--no-sync', image, '/', '-C', path.join(out, 'ours')])],
        ['debugfs rdump', silent(debugfs, ['-R', `rdump / ${out}`, image])],
      ],
    }
  },
  large(home) {
    const image = path.join(home, 'large.img')
    const file = makeLargeImage(image)
    return {
      title: 'one file of 1 GiB',
      commands: [
        [
          'umlcow tar',
          ['/bin/sh', '-c', '"$@" | cat > /dev/null', 'sh', process.execPath, defaultCommand, 'tar', image],
        ],
        [
          'umlcow cat',
          ['/bin/sh', '-c', '"$@" | cat > /dev/null', 'sh', process.execPath, defaultCommand, 'cat', image, '/large'],
        ],
        ['cat', ['/bin/sh', '-c', 'cat "$1" | cat > /dev/null', 'sh', file]],
      ],
    }
  },
  cat(home) {
    const image = path.join(home, 'small.img')
    makeFilesImage(image, { files: 1000, contentSize: 2048, size: '64M' })
    const overlay = path.join(home, 'small.cow')
    execFileSync(process.execPath, [defaultCommand, 'create', overlay, '-b', image])
    return {
      title: 'one small file in an overlay',
      commands: [
        ['umlcow cat', ours(['cat', overlay, '/directory0/file77'])],
        ['node -e 0', silent(process.execPath, ['-e', '0'])],
        ['debugfs cat', silent(debugfs, ['-R', 'cat /directory0/file77', image])],
      ],
    }
  },
  diff(home) {
    const image = path.join(home, 'base.img')
    makeFilesImage(image, { files: 1_000_000, contentSize: 64, size: '64G' })
    const changed = path.join(home, 'changed.img')
    execFileSync(programs.cp, ['--sparse=always', image, changed])
    changeBlocks(changed, 10_000, statSync(image).size)
    const overlay = path.join(home, 'changed.cow')
    execFileSync(process.execPath, [defaultCommand, 'convert', '-q', '-O', 'cow', '-B', image, changed, overlay])
    rmSync(changed)
    return {
      title: 'diff of 64 GiB, 1,000,000 inodes, 10,000 changed blocks',
      commands: [
        ['umlcow diff', ours(['diff', overlay], 1)],
        ['node -e 0', silent(process.execPath, ['-e', '0'])],
      ],
    }
  },
}

function timeJob({ commands, makeRoom = () => {} }, rounds) {
  const rows = commands.map(([name, command]) => ({ name, command, seconds: [], rss: 0 }))
  for (let round = -1; round < rounds; round++) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      makeRoom()
      const { seconds, rss } = timed(row.command)
      if (round < 0) continue
      row.seconds.push(seconds)
      row.rss = Math.max(row.rss, rss)
    }
  }
  return rows
}

function report(title, rows) {
  console.log(title)
  const last = rows.at(-1)
  for (const { name, seconds, rss } of rows) {
    const ratios = last.seconds.map((peer, i) => peer / seconds[i]).sort((a, b) => a - b)
    const ratio = `${median(ratios).toFixed(2)}x (${ratios[0].toFixed(2)}..${ratios.at(-1).toFixed(2)})`
    console.log(`  ${name}: ${(median(seconds) * 1000).toFixed(0)} ms, ${rss.toFixed(0)} MiB, ${ratio} of ${last.name}`)
  }
}

await main('files', usage, readOptions, (options) => {
  if (options === null) return 0
  return withHome(options.directory, async (home) => {
    for (const job of options.jobs) {
      const made = makers[job](home)
      report(made.title, timeJob(made, options.rounds))
      for (const name of ['ls.img', 'tar.img', 'large.img', 'base.img', 'changed.cow', 'out']) {
        rmSync(path.join(home, name), { recursive: true, force: true })
      }
    }
  })
})
