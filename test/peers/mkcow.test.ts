import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { namesIn, sectorText, setMtime, sha256, stateOf, writeHole, writeOverlay } from '../cli/scene.js'
import { sampleOf } from '../support/amount.js'
import { commandPath, type Outcome, umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

const umlMkcow = '/usr/bin/uml_mkcow'

function run(program: string, args: readonly string[], cwd: string): Outcome {
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', input: '', timeout: 60_000 })
  return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr }
}

function linkCalledMkcow(): string {
  const link = path.join(temporaryDirectory(), 'uml_mkcow')
  symlinkSync(commandPath, link)
  return link
}

/** The ways to have umlcow make an overlay, beside uml_mkcow's own. */
function ways(cwd: string, isLinkedToo: boolean): Record<string, (cow: string, backing: string) => Outcome> {
  const link = linkCalledMkcow()
  return {
    'create -b': (cow, backing) => umlcow(['create', cow, '-b', backing], { cwd }),
    mkcow: (cow, backing) => umlcow(['mkcow', cow, backing], { cwd }),
    ...(isLinkedToo && { 'a link called uml_mkcow': (cow, backing) => run(link, [cow, backing], cwd) }),
  }
}

/** Length, and the bytes before the data: all that is not a hole. */
function headOf(file: string, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const fd = openSync(file, 'r')
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, length, 0))
  } finally {
    closeSync(fd)
  }
}

function expectSameOverlay(ours: string, theirs: string): void {
  const { size } = statSync(theirs)
  expect(statSync(ours).size).toBe(size)
  if (size < 2 ** 26) expect(sha256(ours)).toBe(sha256(theirs))
  // A bitmap of 1 TiB is as empty as its data; the header and a piece of the bitmap tell.
  else expect(headOf(ours, 2 ** 20).equals(headOf(theirs, 2 ** 20))).toBe(true)
  expect(statSync(ours).mode).toBe(statSync(theirs).mode)
}

/**
 * Runs all of them in one directory and compares what they made. A link of that name is the verb, whatever its operands,
 * and starts Node: a quick run looks at one of each table by the link, too.
 */
function compareAll(cwd: string, backing: string, isLinkedToo: boolean): void {
  expect(run(umlMkcow, ['theirs', backing], cwd).status).toBe(0)
  const entries = Object.entries(ways(cwd, isLinkedToo))
  entries.forEach(([way, make], i) => {
    const outcome = make(`ours${i}`, backing)
    expect({ way, status: outcome.status }).toEqual({ way, status: 0 })
    expectSameOverlay(path.join(cwd, `ours${i}`), path.join(cwd, 'theirs'))
  })
}

describe.runIf(havePeers(umlMkcow))('the same bytes as uml_mkcow', () => {
  const sizes: [string, number][] = [
    ['plain', 2 ** 20],
    ['one sector', 512],
    ['the end of the kernel trouble', 32_768],
    ['an odd size', 100_000],
    ['one byte', 1],
    ['one byte over a sector', 2 ** 20 + 1],
    ['a bitmap that fills its page', 4096 * 8 * 512],
    ['a bitmap of a page and a byte', 4096 * 8 * 512 + 1],
    ['nothing', 0],
    ['1 TiB', 2 ** 40],
  ]
  const linkedSizes = sampleOf('mkcow: sizes', sizes, 1)
  it.each(sizes)('%s', (what, size) => {
    const directory = temporaryDirectory()
    writeHole(path.join(directory, 'root_fs'), size)
    compareAll(
      directory,
      'root_fs',
      linkedSizes.some(([linked]) => linked === what),
    )
  })

  it('whatever way the path is written', () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'real', 'sub'), { recursive: true })
    symlinkSync('real', path.join(directory, 'link'))
    writeHole(path.join(directory, 'real', 'root_fs'), 65_536)
    symlinkSync('real/root_fs', path.join(directory, 'link-to-file'))
    const written: [string, string][] = [
      ['.', 'link/root_fs'],
      ['.', 'link-to-file'],
      ['.', './real/./root_fs'],
      ['.', 'real/sub/../root_fs'],
      ['.', `/${directory}//real/root_fs`],
      ['real/sub', '../root_fs'],
      ['real/sub', '../../link/sub/../root_fs'],
    ]
    const linked = sampleOf('mkcow: paths', written, 1)
    for (const one of written) {
      const [at, backing] = one
      const cwd = path.join(directory, at)
      compareAll(cwd, backing, linked.includes(one))
      for (const name of ['theirs', 'ours0', 'ours1', 'ours2']) rmSync(path.join(cwd, name), { force: true })
    }
  })

  it('whatever the mtime', () => {
    const mtimes = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]
    const linked = sampleOf('mkcow: mtimes', mtimes, 1)
    for (const mtime of mtimes) {
      const directory = temporaryDirectory()
      writeHole(path.join(directory, 'root_fs'), 65_536)
      setMtime(path.join(directory, 'root_fs'), mtime)
      compareAll(directory, 'root_fs', linked.includes(mtime))
    }
  })

  it('what follows the two names is left out', () => {
    const directory = temporaryDirectory()
    writeHole(path.join(directory, 'root_fs'), 65_536)
    expect(run(umlMkcow, ['theirs', 'root_fs', 'more', '-f'], directory).status).toBe(0)
    expect(umlcow(['mkcow', 'ours', 'root_fs', 'more', '-f'], { cwd: directory }).status).toBe(0)
    expectSameOverlay(path.join(directory, 'ours'), path.join(directory, 'theirs'))
  })
})

describe.runIf(havePeers(umlMkcow))('the same exit statuses as uml_mkcow', () => {
  function prepared(): string {
    const directory = temporaryDirectory()
    writeHole(path.join(directory, 'root_fs'), 65_536)
    writeFileSync(path.join(directory, 'old'), 'old')
    mkdirSync(path.join(directory, 'd'))
    return directory
  }

  const lines: [number, string[]][] = [
    [2, []],
    [2, ['new']],
    [2, ['-f']],
    [2, ['-f', 'new']],
    [2, ['--help']],
    [1, ['new', 'missing']],
    [1, ['missing/new', 'root_fs']],
    [1, ['-x', 'new', 'root_fs']],
    [1, ['-f', '-f', 'new', 'root_fs']],
    [1, ['--', 'new', 'root_fs']],
    [1, ['old', 'root_fs']],
    [1, ['d', 'root_fs']],
    [1, ['-f', 'd', 'root_fs']],
    [0, ['new', 'root_fs']],
    [0, ['-f', 'new', 'root_fs']],
    [0, ['-f', 'old', 'root_fs']],
  ]
  // By the link a quick run looks at one of each status, and at --help, which is uml_mkcow's by the link alone.
  const linkedLines = sampleOf('mkcow: statuses', lines, 3, ([status]) => status)
  it.each(lines)('%i: %j', (status, args) => {
    const [theirs, ours, linked] = [prepared(), prepared(), prepared()]
    expect(run(umlMkcow, args, theirs).status).toBe(status)
    if (args[0] === '--help' || linkedLines.some(([, one]) => one === args)) {
      expect(run(linkCalledMkcow(), args, linked).status).toBe(status)
    }
    // "umlcow mkcow --help" is ours: it is what "umlcow VERB --help" always does.
    if (args[0] !== '--help') expect(umlcow(['mkcow', ...args], { cwd: ours }).status).toBe(status)
    if (status !== 0) {
      expect(namesIn(ours)).toEqual(['d', 'old', 'root_fs'])
      expect(namesIn(linked)).toEqual(['d', 'old', 'root_fs'])
    }
  })
})

describe.runIf(havePeers(umlMkcow))('where umlcow differs from uml_mkcow', () => {
  it('-f: its overlay is clean, uml_mkcow keeps the old changes', () => {
    const directory = temporaryDirectory()
    const backing = path.join(directory, 'root_fs')
    writeHole(backing, 65_536)
    const sectors = new Map([[3, sectorText('overlay', 3)]])
    for (const name of ['theirs', 'ours']) {
      writeOverlay(path.join(directory, name), { virtualSize: 65_536, backing, sectors })
    }
    expect(run(umlMkcow, ['-f', 'theirs', 'root_fs'], directory).status).toBe(0)
    expect(umlcow(['mkcow', '-f', 'ours', 'root_fs'], { cwd: directory }).status).toBe(0)
    const presentIn = (name: string) =>
      JSON.parse(umlcow(['info', '--json', name], { cwd: directory }).stdout)['format-specific'].data['sectors-present']
    expect(presentIn('theirs')).toBe(1)
    expect(presentIn('ours')).toBe(0)
    expect(run(umlMkcow, ['fresh', 'root_fs'], directory).status).toBe(0)
    expectSameOverlay(path.join(directory, 'ours'), path.join(directory, 'fresh'))
  })

  it('a failure leaves nothing, where uml_mkcow leaves an empty file', () => {
    const directory = temporaryDirectory()
    expect(run(umlMkcow, ['theirs', 'missing'], directory).status).toBe(1)
    expect(umlcow(['mkcow', 'ours', 'missing'], { cwd: directory }).status).toBe(1)
    expect(namesIn(directory)).toEqual(['theirs'])
  })

  it('the backing file is never the target', () => {
    const directory = temporaryDirectory()
    const backing = path.join(directory, 'root_fs')
    writeFileSync(backing, Buffer.alloc(65_536, 'x'))
    const before = stateOf(backing)
    expect(umlcow(['mkcow', '-f', 'root_fs', 'root_fs'], { cwd: directory }).status).toBe(1)
    expect(stateOf(backing)).toEqual(before)
    expect(run(umlMkcow, ['-f', 'root_fs', 'root_fs'], directory).status).toBe(0)
    expect(statSync(backing).size).not.toBe(65_536)
  })
})
