// Exports and imports of humfs against tar and cpio, which hold no metadata of their own and sync nothing. Each round
// runs the other tool, ours, and the other tool again, which shows the noise.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { mib } from './shapes.js'

const tar = '/usr/bin/tar'
const directories = 100
const filesEach = 200
/** Bytes of the largest small file. */
const largest = 2048

/** 20,001 files of 0 to 2 KiB in 100 directories. */
function makeFiles(top) {
  mkdirSync(top)
  const bytes = Buffer.alloc(largest, 'the content of a small file; ')
  for (let directory = 0; directory < directories; directory++) {
    mkdirSync(path.join(top, `dir${directory}`))
    for (let file = 0; file < filesEach; file++) {
      const length = ((directory * filesEach + file) * 1021) % (largest + 1)
      writeFileSync(path.join(top, `dir${directory}`, `file${file}`), bytes.subarray(0, length))
    }
  }
  writeFileSync(path.join(top, 'last'), 'x')
}

/** 1 GiB in four files. */
function makeLargeFiles(top) {
  mkdirSync(top)
  for (const name of ['a', 'b', 'c', 'd']) {
    const file = path.join(top, name)
    writeFileSync(file, '')
    const descriptor = openSync(file, 'w')
    for (let at = 0; at < 256; at++) writeSync(descriptor, Buffer.alloc(mib, name))
    closeSync(descriptor)
    truncateSync(file, 256 * mib)
  }
}

function makeInputs(point, umlcow) {
  const at = (name) => path.join(point, name)
  makeFiles(at('files'))
  makeLargeFiles(at('large'))
  execFileSync(tar, ['-cf', at('files.tar'), '-C', at('files'), '.'])
  execFileSync(tar, ['-cf', at('large.tar'), '-C', at('large'), '.'])
  rmSync(at('files'), { recursive: true })
  rmSync(at('large'), { recursive: true })
  const words = ['humfs', 'import', '--quiet', '--no-sync', '--from', 'tar', at('files.tar'), at('tree')]
  execFileSync(process.execPath, [umlcow, ...words])
}

/** The commands to compare. All write to `out`, which is removed before each. */
function jobsOf(point) {
  const at = (name) => path.join(point, name)
  const [data, out, files, large] = ['tree/data', 'out', 'files.tar', 'large.tar'].map(at)
  const list = (archive) => ['/bin/sh', ['-c', '"$0" -tf "$1" > /dev/null', tar, archive]]
  const cpio = ['/bin/sh', ['-c', 'cd "$0" && find . | cpio -o -H newc > "$1" 2> /dev/null', data, out]]
  const unpack = ['/bin/sh', ['-c', 'mkdir "$2" && "$0" -xf "$1" -C "$2"', tar, files, out]]
  const exportTo = (format, ...more) => ['humfs', 'export', '--quiet', '--to', format, ...more, out, at('tree')]
  const importFrom = (archive, ...more) => ['humfs', 'import', '--quiet', '--from', 'tar', ...more, archive]
  return [
    ['export --to tar --no-sync', 'tar -c', [tar, ['-cf', out, '-C', data, '.']], exportTo('tar', '--no-sync')],
    ['export --to tar', 'tar -c', [tar, ['-cf', out, '-C', data, '.']], exportTo('tar')],
    ['export --to cpio --no-sync', 'cpio -o', cpio, exportTo('cpio', '--no-sync')],
    ['import --no-sync', 'tar -x', unpack, [...importFrom(files, '--no-sync'), out]],
    ['import', 'tar -x', unpack, [...importFrom(files), out]],
    ['import --dry-run', 'tar -t', list(files), importFrom(files, '--dry-run')],
    ['import --dry-run, 1 GiB', 'tar -t', list(large), importFrom(large, '--dry-run')],
  ]
}

const sorted = (values) => values.toSorted((a, b) => a - b)
/** A processor time is in hundredths of a second, so that of a short command may be 0. */
const shown = (values) => {
  if (!values.every(Number.isFinite)) return 'unknown'
  const [least, middle, most] = [0, Math.floor(values.length / 2), values.length - 1].map((i) => sorted(values)[i])
  return `${middle.toFixed(2)} (${least.toFixed(2)}..${most.toFixed(2)})`
}

/** Measure all jobs on a file system, and print a line for each. @param run  runs a command and returns its figures */
export function printArchives(point, rounds, umlcow, run) {
  makeInputs(point, umlcow)
  console.log(`20,001 files, ${rounds} rounds: median ratio (least..most)`)
  for (const [title, peer, [program, args], words] of jobsOf(point)) {
    const fresh = (...command) => {
      rmSync(path.join(point, 'out'), { recursive: true, force: true })
      return run(...command)
    }
    const all = Array.from({ length: rounds + 1 }, () => ({
      peer: fresh(program, args),
      ours: fresh(process.execPath, [umlcow, ...words]),
      again: fresh(program, args),
    })).slice(1)
    const ratio = (which, clock) => shown(all.map((round) => round[which][clock] / round.peer[clock]))
    const least = (which) => Math.min(...all.map((round) => round[which].wall * 1000)).toFixed(0)
    const peak = Math.max(...all.map((round) => round.ours.peak))
    console.log(
      `humfs ${title}: ${ratio('ours', 'wall')} times ${peer}, processor time ${ratio('ours', 'cpu')}; ` +
        `least ${least('ours')} ms and ${least('peer')} ms; control ${ratio('again', 'wall')}; peak ${peak} MiB`,
    )
  }
}
