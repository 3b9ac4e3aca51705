import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { commandPath, umlcow } from '../support/command.js'
import { fakePrograms } from '../support/fake-programs.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'
import { makeSparsePair } from '../support/sparse-pair.js'
import { keepsUnwritten, makeScene, namesIn, waitUntil } from './scene.js'

afterEach(() => void vi.unstubAllEnvs())

const python = '/usr/bin/python3'

interface Run {
  /** Which of the three standard descriptors are the terminal. */
  readonly descriptors?: string
  /**
   * `hup`: the terminal goes, with SIGHUP; `gone`: without; `read`: it goes when nobody has it open but who reads it; or
   * a signal, and the terminal stays.
   */
  readonly how?: 'hup' | 'gone' | 'read' | 'SIGINT' | 'SIGTERM'
  /** What is waited for: a file, or a text on the terminal. */
  readonly until?: string
  readonly command?: readonly string[]
  readonly args: readonly string[]
}

/** Run with a terminal that goes. @returns the exit status and the signal that ended it, and what went to no terminal */
function runWithTerminal({ descriptors = '012', how = 'hup', until = '', command = [commandPath], args }: Run) {
  const log = path.join(temporaryDirectory(), 'log')
  const script = path.join(root, 'test/support/hang-up.py')
  const given = [script, descriptors, how, until, log, process.execPath, ...command, ...args]
  const done = spawnSync(python, given, { encoding: 'utf8', timeout: 60_000 })
  expect(done.stderr).toBe('')
  return { ended: done.stdout.trim(), log: existsSync(log) ? readFileSync(log, 'utf8') : '' }
}

/** The command as it waits for its terminal to go, at a call of node:fs, the first once a file is there. */
function stoppedAt(call: 'fsync' | 'writeSync' | 'write', after: string): { command: string[]; until: string } {
  const until = path.join(temporaryDirectory(), 'stopped')
  return { command: [path.join(root, 'test/support/stopped-command.js'), call, after, until], until }
}

/** A cp that makes the file `marker` and hangs. */
function hangingCp(): { marker: string; pid: () => number } {
  const marker = path.join(temporaryDirectory(), 'started')
  fakePrograms({ cp: `echo $$ > ${marker}.new; mv ${marker}.new ${marker}; exec sleep 60` })
  return { marker, pid: () => Number(readFileSync(marker, 'utf8')) }
}

describe.skipIf(!havePeers(python))('a terminal that is closed', () => {
  it.each(['0', '1', '2'])('ends a merge with 129, not with a crash of Node (descriptors %s)', (descriptors) => {
    const pair = makeSparsePair()
    keepsUnwritten(pair.cow, pair.backing)
    const cp = hangingCp()
    const args = ['merge', '--copier=cp', pair.cow, pair.target]
    const { ended, log } = runWithTerminal({ descriptors, until: cp.marker, args })
    expect(ended).toBe('129 -')
    if (descriptors !== '2') expect(log).toMatch(/^umlcow: stopped; .*\n$/)
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
    return waitUntil(() => !existsSync(`/proc/${cp.pid()}`), 'cp to end')
  })

  it('does so while the bar is shown', () => {
    const pair = makeSparsePair()
    hangingCp()
    const { ended } = runWithTerminal({ until: '[---', args: ['merge', '--copier=cp', pair.cow, pair.target] })
    expect(ended).toBe('129 -')
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })

  it('leaves a merge in place that can be resumed', () => {
    const scene = makeScene()
    const { command, until } = stoppedAt('writeSync', `${scene.backing}.umlcow-merging`)
    const { ended } = runWithTerminal({ until, command, args: ['merge', '-d', scene.cow] })
    expect(ended).toBe('129 -')
    expect(umlcow(['merge', '--status', scene.cow]).stdout).toContain('--resume')
    expect(umlcow(['merge', '--resume', scene.cow]).status).toBe(0)
    expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('does not make a failure of a merge that no signal stops and that comes to its end', () => {
    const scene = makeScene()
    const { command, until } = stoppedAt('fsync', scene.cow)
    const { ended } = runWithTerminal({ how: 'gone', until, command, args: ['merge', scene.cow, scene.target] })
    expect(ended).toBe('0 -')
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
  })

  it.each(['info', 'map', '--help'])('ends a report with 129 where no signal comes either: %s', (verb) => {
    const { command, until } = stoppedAt('write', '/')
    const args = verb === '--help' ? [verb] : [verb, makeScene().cow]
    expect(runWithTerminal({ how: 'gone', until, command, args }).ended).toBe('129 -')
  })
})

// As `script` and terminal emulators do: they hang up when reading tells the end.
describe.skipIf(!havePeers(python))('a terminal that goes when its reader sees the end of it', () => {
  it.each<[string, number, (scene: ReturnType<typeof makeScene>) => string[]]>([
    ['a report', 0, ({ cow }) => ['info', cow]],
    ['a merge', 0, ({ cow, target }) => ['merge', cow, target]],
    ['a refusal', 4, ({ cow }) => ['merge', cow, cow]],
    ['wrong usage', 64, ({ cow }) => ['merge', '--frobnicate', cow]],
  ])('has seen the status before, not SIGHUP: %s, %i', (_, status, args) => {
    expect(runWithTerminal({ how: 'read', args: args(makeScene()) }).ended).toBe(`${status} -`)
  })
})

describe.skipIf(!havePeers(python))('a terminal that stays', () => {
  it.each([
    ['SIGINT', '130 -'],
    ['SIGTERM', '143 -'],
  ] as const)('has its modes after %s, and the status is as ever', (how, status) => {
    const pair = makeSparsePair()
    hangingCp()
    const args = ['merge', '--copier=cp', pair.cow, pair.target]
    expect(runWithTerminal({ how, until: '[---', args }).ended).toBe(status)
    expect(namesIn(pair.directory)).toEqual(['cow', 'root_fs'])
  })
})

it('help that cannot be written is a failure like another, not a crash', () => {
  for (const args of ['--help', '--version', 'info --help']) {
    const done = spawnSync('/bin/sh', ['-c', `"$0" "$1" ${args} > /dev/full`, process.execPath, commandPath], {
      encoding: 'utf8',
    })
    expect(done).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^umlcow: standard output: cannot write: .*\n$/),
    })
  }
})
