import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandPath, type Outcome, umlcow } from '../support/command.js'
import { expectPlainFailure, keepsUnwritten, makeLongScene, makeScene, namesIn, runWith, shell } from './scene.js'

interface Line {
  readonly transferred: number
  readonly size: number
  readonly elapsed: number
  readonly description: string
}

function jsonLines(text: string): Line[] {
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Long enough for several reports, short enough to go on to the end. */
const longSize = 16 * 2 ** 30

describe('--progress=json', () => {
  it('is a line of JSON each on standard error, up to the whole size', () => {
    const scene = makeLongScene(longSize)
    keepsUnwritten(scene.cow, scene.backing)
    const outcome = umlcow(['merge', '--no-sync', '--progress=json', scene.cow, scene.target])
    expect(outcome).toMatchObject({ status: 0, stdout: expect.stringContaining('merged: 16 GiB') })
    const lines = jsonLines(outcome.stderr)
    expect(lines.length).toBeGreaterThan(1)
    expect(lines.at(-1)).toMatchObject({ transferred: longSize, size: longSize })
    lines.forEach((line, i) => {
      expect(line).toEqual({
        transferred: expect.any(Number),
        size: longSize,
        elapsed: expect.any(Number),
        description: 'merge',
      })
      expect(line.transferred).toBeGreaterThanOrEqual(lines[i - 1]?.transferred ?? 0)
      expect(line.elapsed).toBeGreaterThanOrEqual(lines[i - 1]?.elapsed ?? 0)
    })
  })

  it('ends with the whole size however short the work is, also to standard output', () => {
    const scene = makeScene()
    const { virtualSize: size } = scene
    const file = umlcow(['merge', '--progress', 'json', scene.cow, scene.target])
    expect(jsonLines(file.stderr).at(-1)).toMatchObject({ transferred: size, size })
    const pipe = umlcow(['merge', '--progress=json', scene.cow, '-'])
    expect(jsonLines(pipe.stderr).at(-1)).toMatchObject({ transferred: size, size })
  })

  it('tells of a deep check, too', () => {
    const scene = makeScene()
    const outcome = umlcow(['check', '--deep', '--progress=json', scene.cow])
    expect(outcome.status).toBe(0)
    expect(jsonLines(outcome.stderr).at(-1)).toMatchObject({
      transferred: scene.virtualSize,
      size: scene.virtualSize,
      description: 'check',
    })
  })

  it('goes with --json and --quiet', () => {
    const scene = makeScene()
    const outcome = umlcow(['merge', '--json', '--quiet', '--progress=json', scene.cow, scene.target])
    expect(JSON.parse(outcome.stdout)).toMatchObject({ format: 'raw' })
    expect(jsonLines(outcome.stderr).length).toBeGreaterThan(0)
  })

  it('leaves nothing half-made behind when its reader goes away', () => {
    const scene = makeLongScene(longSize)
    keepsUnwritten(scene.cow, scene.backing)
    const line = '{ umlcow merge --no-sync --progress=json cow merged 2>&1 >/dev/null; echo $? > status; } | head -n 1'
    const outcome = shell(line, scene.directory)
    expect(jsonLines(outcome.stdout)).toHaveLength(1)
    const done = readFileSync(path.join(scene.directory, 'status'), 'utf8') === '0\n'
    expect(namesIn(scene.directory)).toEqual(['cow', ...(done ? ['merged'] : []), 'root_fs', 'status'])
  })
})

/** Runs the command with a pipe as descriptor 3 and collects what comes through it. */
async function withPipe3(args: readonly string[]): Promise<Outcome & { lines: string }> {
  const child = spawn(process.execPath, [commandPath, ...args], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
  const texts = ['', '', '', '']
  child.stdio.forEach((stream, fd) => {
    stream?.on('data', (chunk) => {
      texts[fd] += chunk
    })
  })
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (code, killer) => resolve([code, killer]))
  })
  return { status, signal, stdout: texts[1] ?? '', stderr: texts[2] ?? '', lines: texts[3] ?? '' }
}

describe('--progress=FD', () => {
  it('is lines N/100 up to 100/100, as nbdcopy prints them', async () => {
    const scene = makeLongScene(longSize)
    keepsUnwritten(scene.cow, scene.backing)
    const outcome = await withPipe3(['merge', '--copier=read', '--no-sync', '--progress=3', scene.cow, scene.target])
    expect(outcome).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('merged: 16 GiB') })
    expect(outcome.lines).toMatch(/^(\d{1,3}\/100\n)+$/)
    const percents = outcome.lines
      .trimEnd()
      .split('\n')
      .map((line) => Number.parseInt(line, 10))
    expect(percents.length).toBeGreaterThan(2)
    expect(percents).toEqual([...new Set(percents)].sort((a, b) => a - b))
    expect(percents.at(-1)).toBe(100)
  })

  it('may be standard error, and ends with 100/100 for the shortest work', () => {
    const scene = makeScene()
    expect(umlcow(['merge', '--progress=2', scene.cow, scene.target]).stderr).toMatch(/^(\d+\/100\n)*100\/100\n$/)
  })

  it('leaves nothing half-made and speaks of no defect when its reader goes away', () => {
    const scene = makeLongScene(longSize)
    keepsUnwritten(scene.cow, scene.backing)
    const line =
      '{ umlcow merge --no-sync --progress=3 cow merged 3>&1 >/dev/null 2>text; echo $? > status; } | head -n 1'
    expect(shell(line, scene.directory).stdout).toMatch(/^\d+\/100\n$/)
    const text = readFileSync(path.join(scene.directory, 'text'), 'utf8')
    expect(text).not.toMatch(/defect of umlcow|\n\s+at /)
    const done = readFileSync(path.join(scene.directory, 'status'), 'utf8') === '0\n'
    expect(namesIn(scene.directory)).toEqual(['cow', ...(done ? ['merged'] : []), 'root_fs', 'status', 'text'])
  })
})

describe('no progress', () => {
  it('is shown where standard error is no terminal, or when none is asked for', () => {
    const scene = makeLongScene(2 ** 30)
    for (const args of [[], ['--progress=none'], ['--quiet']]) {
      expect(umlcow(['merge', '--no-sync', '--overwrite', ...args, scene.cow, scene.target]).stderr).toBe('')
    }
  })
})

describe('a bar', () => {
  it('goes to standard error', () => {
    const scene = makeLongScene(2 ** 30)
    const outcome = umlcow(['merge', '--no-sync', '--json', '--progress=bar', scene.cow, scene.target])
    expect(outcome.status).toBe(0)
    expect(JSON.parse(outcome.stdout)).toMatchObject({ 'virtual-size': 2 ** 30 })
  })
})

describe('messages whose reader has gone', () => {
  it('do not change the exit status of what failed', () => {
    const scene = makeScene()
    const outcome = shell('{ sleep 0.2; umlcow merge cow cow; echo $? > status; } 2>&1 | true', scene.directory)
    expect(outcome.stderr).not.toMatch(/\n\s+at /)
    expect(readFileSync(path.join(scene.directory, 'status'), 'utf8')).toBe('4\n')
  })

  it('do not keep a table from ending', () => {
    const scene = makeScene()
    const outcome = shell('{ umlcow map cow; echo $? >&2; } | head -c 10', scene.directory)
    expect(outcome.stdout).toBe('Offset    ')
    expect(outcome.stderr).toMatch(/^[01]\n$/)
  })

  it('and standard input that is closed are no reason to fail', () => {
    const scene = makeScene()
    expect(runWith(['ignore', 'ignore', 'ignore'], ['merge', scene.cow, scene.target]).status).toBe(0)
    expect(shell('umlcow info cow <&-', scene.directory).status).toBe(0)
    expectPlainFailure(shell('umlcow info - <&-', scene.directory), 63)
  })
})
