// The test command: `npm ci && npm test`. Builds, lints, checks types, runs every test, and prints one closing line.
// In CI, as root, it installs the Debian packages of the tools that tests compare with before the first test; meanwhile
// it lints, checks types and builds. Anywhere else it installs nothing, and what needs an absent tool is skipped and
// named. With UMLCOW_TEST=deep, as in `npm run test:deep`, tests that take a small sample otherwise do far more; see
// test/support/amount.ts. Closing lines say how much was done.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const debianPackages = [
  'acl',
  'attr',
  'bash',
  'bmap-tools',
  'btrfs-progs',
  'busybox-static',
  'cpio',
  'dosfstools',
  'e2fsprogs',
  'eatmydata',
  'fakeroot',
  'fdisk',
  'file',
  'fish',
  'gzip',
  'libarchive-tools',
  'libcap2-bin',
  'lz4',
  'man-db',
  'mtree-netbsd',
  'python3',
  'qemu-utils',
  'squashfs-tools',
  'tar',
  'uml-utilities',
  'user-mode-linux',
  'util-linux',
  'zsh',
  'zstd',
]

/** @param {{ env?: object, isQuiet?: boolean }} options  isQuiet: what it prints comes at its end, in one piece */
async function run(program, args, { env = {}, isQuiet = false } = {}) {
  const shown = [program, ...args].join(' ')
  if (!isQuiet) console.log(`\n> ${shown}`)
  const output = isQuiet ? 'pipe' : 'inherit'
  const child = spawn(program, args, {
    cwd: root,
    stdio: ['ignore', output, output],
    env: { ...process.env, ...env },
  })
  const chunks = [`\n> ${shown}\n`]
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text) => chunks.push(text))
  const problem = await once(child, 'close').then(
    ([status, signal]) => (status === 0 ? null : (signal ?? `status ${status}`)),
    (error) => error.message,
  )
  if (isQuiet) process.stdout.write(chunks.join(''))
  if (problem !== null) console.error(`failed: ${shown}: ${problem}`)
  return problem === null
}

async function installPeers() {
  const options = { env: { DEBIAN_FRONTEND: 'noninteractive' }, isQuiet: true }
  return (
    (await run('apt-get', ['-q', 'update'], options)) &&
    (await run('apt-get', ['-q', 'install', '-y', '--no-install-recommends', ...debianPackages], options))
  )
}

/** What needs no tool but Node. All of it is done even when one part fails. */
async function checkSources() {
  let good = true
  for (const script of ['lint', 'types', 'build']) good = (await run('npm', ['run', script])) && good
  return good
}

async function runTests() {
  const directory = mkdtempSync(path.join(tmpdir(), 'umlcow-results-'))
  try {
    const file = path.join(directory, 'results.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const tally = path.join(directory, 'tally')
    const args = ['vitest', 'run', '--config', 'test/vitest.config.ts', ...reporters]
    const passed = await run('npx', args, { env: { UMLCOW_TALLY: tally } })
    return { passed, results: resultsIn(file), amounts: amountsIn(tally) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** There are none when vitest could not begin, as with a seed that is no number; it has said why. */
function resultsIn(file) {
  if (!existsSync(file)) return { testResults: [], numPassedTests: 0, numFailedTests: 0 }
  return JSON.parse(readFileSync(file, 'utf8'))
}

/** What tests reported with `tally` of test/support/amount.ts, added up: a line for each kind. */
function amountsIn(file) {
  const sums = new Map()
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
  for (const { what, count, of } of lines.map((line) => JSON.parse(line))) {
    const sum = sums.get(what) ?? { count: 0, of: {} }
    sum.count += count
    for (const [name, number] of Object.entries(of)) sum.of[name] = (sum.of[name] ?? 0) + number
    sums.set(what, sum)
  }
  return [...sums].sort().map(([what, { count, of }]) => {
    const further = Object.entries(of).map(([name, number]) => `, ${number.toLocaleString('en')} ${name}`)
    return `${what}: ${count.toLocaleString('en')}${further.join('')}`
  })
}

function namesOfSkipped(results) {
  return results.testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === 'pending' || test.status === 'skipped' || test.status === 'todo')
      .map((test) => test.fullName),
  )
}

const inCi = process.env.CI === 'true'
const isRoot = process.getuid?.() === 0
const prepared = await Promise.all([inCi && isRoot ? installPeers() : true, checkSources()])
const good = prepared.every(Boolean)
const { passed, results, amounts } = await runTests()

const skipped = namesOfSkipped(results)
if (skipped.length > 0) {
  console.log(
    `\nSKIPPED, for want of tools on this machine, or because root may do what others may not:\n  ${skipped.join('\n  ')}`,
  )
}
const failedFiles = results.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
const depth = process.env.UMLCOW_TEST === 'deep' ? 'deep' : 'quick'
console.log(`\n${amounts.map((line) => `${depth}: ${line}\n`).join('')}`)
const failures = results.numFailedTests + failedFiles.length + (good ? 0 : 1)
const failed = passed ? failures : Math.max(1, failures)
console.log(`${results.numPassedTests} passed, ${failed} failed, ${skipped.length} skipped`)
process.exitCode = failed === 0 ? 0 : 1
