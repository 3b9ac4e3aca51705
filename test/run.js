// The test command: `npm ci && npm test`. Builds, lints, checks types, runs every test, and prints one closing line.
// In CI, as root, it first installs the Debian packages of the tools that tests compare with. Anywhere else it installs
// nothing, and what needs an absent tool is skipped and named.  With UMLCOW_TEST=deep, as in `npm run test:deep`, tests
// that take a small sample otherwise do far more; see test/support/amount.ts.  Closing lines say how much was done.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const debianPackages = [
  'acl',
  'attr',
  'bash',
  'btrfs-progs',
  'busybox-static',
  'cpio',
  'e2fsprogs',
  'fakeroot',
  'file',
  'fish',
  'libarchive-tools',
  'libcap2-bin',
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
]

function run(program, args, env = {}) {
  const shown = [program, ...args].join(' ')
  console.log(`\n> ${shown}`)
  const { status, signal, error } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  })
  if (status !== 0) console.error(`failed: ${shown}: ${error?.message ?? signal ?? `status ${status}`}`)
  return status === 0
}

function installPeers() {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  return (
    run('apt-get', ['-q', 'update'], env) &&
    run('apt-get', ['-q', 'install', '-y', '--no-install-recommends', ...debianPackages], env)
  )
}

function runTests() {
  const directory = mkdtempSync(path.join(tmpdir(), 'umlcow-results-'))
  try {
    const file = path.join(directory, 'results.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const tally = path.join(directory, 'tally')
    const args = ['vitest', 'run', '--config', 'test/vitest.config.ts', ...reporters]
    const passed = run('npx', args, { UMLCOW_TALLY: tally })
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
let good = !(inCi && isRoot) || installPeers()
for (const script of ['lint', 'types']) good = run('npm', ['run', script]) && good
const { passed, results, amounts } = runTests()

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
