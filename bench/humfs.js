// humfsify and its reverse against the Perl tool, in turn, on trees of the same shape: entries a second, and our peak of
// memory. With --archives: exports and imports against tar and cpio.  As root: node bench/humfs.js [OPTIONS]
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, linkSync, mkdirSync, mkdtempSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { printArchives } from './archives.js'
import { main, wholeOption } from './home.js'

const usage = `usage: node bench/humfs.js [OPTIONS]
  --entries N,...   entries of a tree; default 10000,100000
  --rounds N        default 3
  --perl-entries N  entries of the Perl tool's tree, whose time is extrapolated; default 2000
  --on KIND         ext4 (in a file, new for each round) or tmpfs; default ext4
  --memory          our peak of memory only, on a tmpfs
  --archives        exports and imports only, on a tree of 20,001 small files
  --umlcow FILE     the command to measure; default bin/umlcow.js of this repository
`

const text = { type: 'string' }
const optionTypes = {
  entries: { ...text, default: '10000,100000' },
  rounds: { ...text, default: '3' },
  'perl-entries': { ...text, default: '2000' },
  on: { ...text, default: 'ext4' },
  memory: { type: 'boolean', default: false },
  archives: { type: 'boolean', default: false },
  umlcow: text,
}

const umlcow = fileURLToPath(new URL('../bin/umlcow.js', import.meta.url))
const perlTool = '/usr/bin/humfsify'
const gnuTime = '/usr/bin/time'
const mib = 2 ** 20
// What certificates there are takes Node 30 ms to read, at each start.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env

/**
 * Entries of a tree, its top included; all in one directory when `perDirectory` is as large. With `linked` those of the
 * second half are further names of the files of the first.
 */
function makeTree(top, count, { perDirectory = 100, linked = false } = {}) {
  const files = []
  const data = path.join(top, 'data')
  mkdirSync(data, { recursive: true })
  for (let made = 1; made < count; ) {
    const directory = perDirectory < count ? path.join(data, `dir${made}`) : data
    if (directory !== data) {
      mkdirSync(directory)
      made++
    }
    const end = Math.min(count, made + perDirectory - 1)
    for (; made < end; made++) {
      const file = path.join(directory, `f${made}`)
      const first = linked && made > count / 2 ? files.pop() : undefined
      if (first === undefined) writeFileSync(file, '')
      else linkSync(first, file)
      if (linked && made <= count / 2) files.push(file)
    }
  }
}

/**
 * A file system without a history: ext4 gives out no inode that was freed in the last half minute, and looks at each of
 * them before it makes a file.
 */
function withFileSystem(kind, use) {
  const home = mkdtempSync(path.join(tmpdir(), 'umlcow-humfs-'))
  const point = path.join(home, 'mounted')
  mkdirSync(point)
  try {
    if (kind === 'ext4') {
      const image = path.join(home, 'image')
      writeFileSync(image, '')
      truncateSync(image, 8192 * mib)
      execFileSync('mkfs.ext4', ['-q', '-N', '3000000', image])
      execFileSync('mount', ['-o', 'loop', image, point])
    } else execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12G,nr_inodes=4000000', 'tmpfs', point])
    try {
      return use(point)
    } finally {
      execFileSync('umount', [point])
    }
  } finally {
    execFileSync('rm', ['-rf', '--', home])
  }
}

/** Seconds on the clock and of the processors, and MiB at the peak. */
function run(program, args, cwd) {
  const started = performance.now()
  const { status, stderr } = spawnSync(gnuTime, ['-f', '%U %S %M', program, ...args], { cwd, encoding: 'utf8', env })
  const wall = (performance.now() - started) / 1000
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  const [user, system, peak] = stderr.trim().split('\n').at(-1).split(' ').map(Number)
  return { wall, cpu: user + system, peak: Math.round(peak / 1024) }
}

const ours = (args, cwd) => run(process.execPath, [umlcow, 'humfsify', '--quiet', ...args], cwd)
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const hasPerl = existsSync(perlTool)

/** One round: both directions of each tool on new trees, on a new file system. */
function oneRound(entries, smaller, kind) {
  return withFileSystem(kind, (point) => {
    const at = (name) => path.join(point, name)
    for (const name of ['synced', 'unsynced']) makeTree(at(name), entries)
    if (hasPerl) makeTree(at('perl'), smaller)
    execFileSync('sync', ['-f', point])
    return [
      [
        ['1000', '1000', '1T'],
        ['1000', '1000', '1000G'],
      ],
      [['-r'], ['-r']],
    ].map(([own, perl]) => ({
      perl: hasPerl ? run(perlTool, perl, at('perl')) : null,
      unsynced: ours(['--no-sync', ...own], at('unsynced')),
      synced: ours(own, at('synced')),
    }))
  })
}

function printRates(entries, rounds, smaller, kind) {
  const all = Array.from({ length: rounds }, () => oneRound(entries, smaller, kind))
  const extrapolated = smaller === entries ? '' : `; the Perl tool's time from ${smaller} entries, taken to be as quick`
  console.log(`${entries} entries on ${kind}, median of ${rounds}${extrapolated}`)
  for (const [i, title] of ['humfsify', 'humfsify -r'].entries()) {
    for (const how of ['unsynced', 'synced']) {
      for (const clock of ['wall', 'cpu']) {
        const rate = median(all.map((round) => entries / round[i][how][clock]))
        const perl = hasPerl ? median(all.map((round) => smaller / round[i].perl[clock])) : null
        const pairs = hasPerl
          ? all.map((round) => entries / round[i][how][clock] / (smaller / round[i].perl[clock]))
          : null
        const ratio = pairs === null ? '' : `, Perl ${Math.round(perl)}: ${median(pairs).toFixed(0)} times`
        console.log(`${title}, ${how}, ${clock}: ${Math.round(rate)} entries a second${ratio}`)
      }
    }
    console.log(`${title}: peak ${median(all.map((round) => round[i].synced.peak))} MiB`)
  }
}

function printMemory(entries) {
  withFileSystem('tmpfs', (point) => {
    for (const [name, shape] of [
      ['100 in each directory', {}],
      ['all in one directory', { perDirectory: entries }],
      ['two names for each file', { linked: true }],
    ]) {
      const top = path.join(point, 'tree')
      makeTree(top, entries, shape)
      const tar = path.join(point, 'tar')
      const peaks = [
        ['humfsify', '--quiet', '1000', '1000', '1T'],
        ['humfs', 'check', '--quiet'],
        ['humfs', 'export', '--quiet', '--to', 'tar', tar],
        ['humfsify', '--quiet', '-r'],
      ].map((args) => run(process.execPath, [umlcow, ...args], top).peak)
      console.log(
        `${entries} entries, ${name}: peak ${peaks[0]} MiB, check ${peaks[1]}, export to tar ${peaks[2]}, -r ${peaks[3]}`,
      )
      execFileSync('rm', ['--', tar])
      execFileSync('rm', ['-rf', '--', top])
    }
  })
}

function readOptions() {
  const { values } = parseArgs({ options: optionTypes })
  if (!['ext4', 'tmpfs'].includes(values.on)) throw new Error(`--on ${values.on}: ext4 or tmpfs`)
  const number = (name, text = values[name]) => wholeOption(name, text, 2)
  return {
    ...values,
    entries: values.entries.split(',').map((text) => number('entries', text)),
    rounds: wholeOption('rounds', values.rounds, 1),
    perlEntries: number('perl-entries'),
  }
}

await main(
  'bench/humfs.js',
  usage,
  readOptions,
  async ({ entries, rounds, perlEntries, on, memory, archives, umlcow: other }) => {
    if (archives) {
      withFileSystem(on, (point) => printArchives(point, rounds, other ?? umlcow, run))
      return
    }
    for (const count of entries) {
      if (memory) printMemory(count)
      else printRates(count, rounds, Math.min(perlEntries, count), on)
    }
  },
)
