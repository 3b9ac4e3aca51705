import { spawn, spawnSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, readFileSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandPath, umlcow } from '../support/command.js'
import { generatePair, writePair } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'

/** A backing file of `size` bytes with a fixed modification time. */
function makeBacking(file: string, fill: string, size = 64 * 1024): void {
  writeFileSync(file, fill.repeat(size))
  utimesSync(file, 1_700_000_000, 1_700_000_000)
}

/** The blocking write end of a pipe that is full and that nobody reads, and a way to be rid of it. */
function fullPipe(directory: string): { fd: number; close: () => void } {
  const fifo = path.join(directory, 'fifo')
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
  const filler = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  try {
    for (;;) writeSync(filler, 'x'.repeat(4096))
  } catch {
    // EAGAIN: it is full.
  }
  const fd = openSync(fifo, constants.O_WRONLY)
  return { fd, close: () => [fd, filler].forEach(closeSync) }
}

describe('hazards that were once real', () => {
  it('merge -b: protects both files that a relative path in the header may lead to', () => {
    const cwd = temporaryDirectory()
    mkdirSync(path.join(cwd, 'a'))
    makeBacking(path.join(cwd, 'a/root_fs'), 'a')
    makeBacking(path.join(cwd, 'root_fs'), 'b')
    makeBacking(path.join(cwd, 'other'), 'a')
    expect(umlcow(['create', '--relative', '-b', 'a/root_fs', 'a/cow'], { cwd }).status).toBe(0)
    for (const target of ['root_fs', 'a/root_fs']) {
      const before = readFileSync(path.join(cwd, target))
      const outcome = umlcow(['merge', '--overwrite', '-b', 'other', 'a/cow', target], { cwd })
      expect(outcome).toMatchObject({ status: 4, stderr: expect.stringContaining('is the backing file in the header') })
      expect(umlcow(['moo', '-b', 'other', 'a/cow', target], { cwd }).status).toBe(1)
      expect(readFileSync(path.join(cwd, target)).equals(before)).toBe(true)
    }
  })

  it('check --repair: mends nothing that depends on an unusual sector size', () => {
    const directory = temporaryDirectory()
    const pair = generatePair(3, {
      layout: 'v3',
      sectorSize: 1024,
      virtualSize: 13 * 1024,
      alignment: 4096,
      strayBits: true,
    })
    const { overlayPath } = writePair(pair, directory)
    const before = readFileSync(overlayPath)
    const outcome = umlcow(['check', '--repair', overlayPath])
    expect(outcome).toMatchObject({ status: 3, stdout: expect.stringContaining('bits are set past the last sector') })
    expect(readFileSync(overlayPath).equals(before)).toBe(true)
  })

  it('rebase --relative: stores a path that leads to the file beside the overlay that was found', () => {
    const cwd = temporaryDirectory()
    mkdirSync(path.join(cwd, 'b'))
    makeBacking(path.join(cwd, 'b/base'), 'x')
    expect(umlcow(['create', '-b', 'b/base', 'b/cow'], { cwd }).status).toBe(0)
    expect(umlcow(['rebase', '-u', '--relative', '-b', 'base', 'b/cow'], { cwd })).toMatchObject({
      status: 0,
      stderr: '',
    })
    const { 'backing-filename': stored } = JSON.parse(umlcow(['info', '--json', 'b/cow'], { cwd }).stdout)
    expect(stored).toBe('base')
  })

  it('--progress=FD: a reader that does not read keeps neither the merge nor the process', async () => {
    const cwd = temporaryDirectory()
    makeBacking(path.join(cwd, 'base'), 'x')
    expect(umlcow(['create', '-b', 'base', 'cow'], { cwd }).status).toBe(0)
    const pipe = fullPipe(cwd)
    const child = spawn(process.execPath, [commandPath, 'merge', '--progress=3', 'cow', 'out'], {
      cwd,
      stdio: ['ignore', 'ignore', 'ignore', pipe.fd],
    })
    const status = await new Promise<number | null>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), 300_000)
      child.on('exit', (code) => {
        clearTimeout(timer)
        resolve(code)
      })
    })
    pipe.close()
    expect(status).toBe(0)
    expect(readFileSync(path.join(cwd, 'out')).equals(readFileSync(path.join(cwd, 'base')))).toBe(true)
  })
})
