// humfsify and its reverse against the Perl tool, in turn, on trees of the same shape: entries a second, and our peak of
// memory.  As root:  node bench/humfs.js [ENTRIES [ROUNDS [SMALLER]]]   (10000, 3; SMALLER: entries of the Perl tool's
// tree where its time is to be extrapolated, which is said)
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const umlcow = fileURLToPath(new URL('../bin/umlcow.js', import.meta.url))
const perlTool = '/usr/bin/humfsify'
const perDirectory = 100

const [entries = 10_000, rounds = 3, smaller = entries] = process.argv.slice(2).map(Number)

function makeTree(top, count) {
  let made = 1
  mkdirSync(path.join(top, 'data'), { recursive: true })
  for (let i = 0; made < count; i++) {
    const directory = path.join(top, 'data', `dir${i}`)
    mkdirSync(directory)
    for (made++; made < count && made % perDirectory !== 0; made++) writeFileSync(path.join(directory, `f${made}`), '')
    made = Math.min(count, made + 1)
  }
  return Number(execFileSync('find', [path.join(top, 'data'), '-printf', '.']).length)
}

function seconds(program, args, cwd) {
  const started = performance.now()
  const { status, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return (performance.now() - started) / 1000
}

/** Peak memory of a run, MiB, as the kernel tells it. */
function peakOf(args, cwd) {
  const script = `const { main } = await import(${JSON.stringify(path.join(umlcow, '../../dist/command/main.js'))})
    process.exitCode = await main(['node', 'umlcow', ...process.argv.slice(1)])
    console.error(process.resourceUsage().maxRSS)`
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script, ...args], { cwd, encoding: 'utf8' })
  return Math.round(Number(done.stderr.trim().split('\n').at(-1)) / 1024)
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

const arguments_ = ['1000', '1000', '1T']
const home = mkdtempSync(path.join(tmpdir(), 'umlcow-humfs-'))
try {
  const [ours, theirs] = ['ours', 'theirs'].map((name) => path.join(home, name))
  const counts = { ours: makeTree(ours, entries), theirs: makeTree(theirs, smaller) }
  const times = { forward: [], back: [], perlForward: [], perlBack: [] }
  const hasPerl = existsSync(perlTool)
  for (let round = 0; round < rounds; round++) {
    times.forward.push(seconds(process.execPath, [umlcow, 'humfsify', ...arguments_], ours))
    if (hasPerl) times.perlForward.push(seconds(perlTool, [...arguments_.slice(0, 2), '1000G'], theirs))
    times.back.push(seconds(process.execPath, [umlcow, 'humfsify', '-r'], ours))
    if (hasPerl) times.perlBack.push(seconds(perlTool, ['-r'], theirs))
  }
  const rate = (name, count) => (times[name].length === 0 ? null : Math.round(count / median(times[name])))
  const rows = {
    humfsify: { umlcow: rate('forward', counts.ours), perl: rate('perlForward', counts.theirs) },
    'humfsify -r': { umlcow: rate('back', counts.ours), perl: rate('perlBack', counts.theirs) },
  }
  console.log(`entries a second, median of ${rounds}; ${counts.ours} entries, Perl tool ${counts.theirs}`)
  if (smaller !== entries) console.log('the ratio takes the Perl tool to be as quick on the larger tree')
  for (const [name, { umlcow: own, perl }] of Object.entries(rows)) {
    console.log(`${name}: umlcow ${own}, Perl ${perl ?? '-'}${perl ? `, ${(own / perl).toFixed(0)} times` : ''}`)
  }
  console.log(
    `peak memory: humfsify ${peakOf(['humfsify', ...arguments_], ours)} MiB, -r ${peakOf(['humfsify', '-r'], ours)} MiB`,
  )
} finally {
  execFileSync('rm', ['-rf', '--', home])
}
