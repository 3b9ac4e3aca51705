import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { amount, diceFor, tally } from '../support/amount.js'
import type { Outcome } from '../support/command.js'
import { backingMtimeIn, headerMtime, layOut, makeTemplate, sceneMtime, wrongReads } from '../support/in-place-scene.js'
import { callsOf, lockedNames } from '../support/killed-runs.js'
import { mergeNaively } from '../support/naive.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { race, runBetween } from '../support/race.js'

const template = makeTemplate(44, { virtualSize: 2 ** 20 + 300, siblingCount: 1 })

/** A directory in which two commands have raced, and what they said. */
class Raced {
  readonly directory: string
  readonly label: string
  readonly statuses: readonly (number | null)[]

  constructor(directory: string, label: string, statuses: readonly (number | null)[]) {
    this.directory = directory
    this.label = label
    this.statuses = statuses
  }

  read(name: string): Buffer {
    return readFileSync(path.join(this.directory, name))
  }

  /** @returns the overlays whose view the backing file holds now; `undo` stands for the old content */
  held(name = 'root_fs'): string[] {
    const bytes = this.read(name)
    return [...template.views].filter(([, view]) => Buffer.compare(bytes, view) === 0).map(([view]) => view)
  }

  fits(name: string): boolean {
    return headerMtime(this.read(name)) === backingMtimeIn(this.directory)
  }

  /** The bytes are those that were there before the race. */
  isAsBefore(name: string): boolean {
    return Buffer.compare(this.read(name), template.files.get(name)!) === 0
  }

  expectClean(names: readonly string[] = [...template.files.keys()]): void {
    expect(readdirSync(this.directory).sort(), this.label).toEqual([...names].sort())
    expect(lockedNames(this.directory), this.label).toEqual([])
  }
}

const changedMeanwhile = /was changed while it was looked at; try again|was replaced (meanwhile|while it was opened)/

interface Contest {
  readonly first: readonly string[]
  readonly second: readonly string[]
  readonly prepare?: (directory: string) => void
  /** What a command fails with that has come too late. */
  readonly late?: RegExp
  /** Races in a deep run in which both begin at once. */
  readonly deepCount: number
}

/** Stops of either command while the other one runs, and races in which both begin at once. */
const amounts = (deepCount: number) => amount({ quick: { stops: 1, races: 1 }, deep: { stops: 30, races: deepCount } })

/**
 * Let two commands meet, and look at each end. One of them runs while the other is stopped before a call, chosen among
 * all that it makes; or both run at once, with other delays each time.
 */
async function contest({ first, second, prepare, late, deepCount }: Contest, look: (raced: Raced) => void) {
  const directory = path.join(temporaryDirectory(), 'race')
  const name = `${first.join(' ')} | ${second.join(' ')}`
  const dice = diceFor(name)
  const seen = new Map<string, number>()
  const begin = () => {
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory)
    layOut(template, directory)
    prepare?.(directory)
  }
  const judge = (outcomes: readonly [Outcome, Outcome], how: string) => {
    const statuses = outcomes.map(({ status }) => status)
    const label = `${name}, ${how}, statuses ${statuses}\n${outcomes.map(({ stderr }) => stderr).join('')}`
    // One wins; the other is refused, or comes after it.
    expect(statuses, label).toContain(0)
    for (const { status, stderr } of outcomes) {
      // What it looked at has become another file: a failure with nothing done, and none of the refusals.
      const isTornAway = status === 1 && (changedMeanwhile.test(stderr) || late?.test(stderr) === true)
      if (!isTornAway) expect([0, 4], label).toContain(status)
      expect(stderr, label).not.toMatch(/defect of umlcow|\n\s+at /)
    }
    seen.set(`${statuses}`, (seen.get(`${statuses}`) ?? 0) + 1)
    look(new Raced(directory, label, statuses))
  }

  const { stops, races } = amounts(deepCount)
  for (const isFirst of first.join() === second.join() ? [true] : [true, false]) {
    const [stopped, between] = isFirst ? [first, second] : [second, first]
    begin()
    const calls = (await callsOf(stopped, directory, 'all')).length
    for (let i = 0; i < stops; i++) {
      begin()
      // One of each part of the run.
      const call = 1 + Math.floor(((i + dice.below(1000) / 1000) * calls) / stops)
      const [outer, inner] = await runBetween(call, stopped, between, directory)
      judge(isFirst ? [outer, inner] : [inner, outer], `${stopped.join(' ')} stopped before call ${call} of ${calls}`)
    }
    tally('commands run while another is stopped at a call', stops)
  }
  for (let i = 0; i < races; i++) {
    begin()
    const delays: [number, number] = [0, dice.below(dice.pick([1, 10, 60, 400]))]
    if (dice.once(2)) delays.reverse()
    judge(await race([first, second], delays, directory), `race ${i}, delays ${delays}`)
  }
  tally('races', races)
  console.log(`${name}:`, Object.fromEntries(seen))
}

describe('two at once', () => {
  it('merges of one overlay: it is merged once', async () => {
    const args = ['merge', '-d', '--force=siblings', 'cow']
    await contest({ deepCount: 40, first: args, second: args }, (raced) => {
      expect(raced.held(), raced.label).toEqual(['cow'])
      expect(raced.fits('cow'), raced.label).toBe(true)
      expect(raced.isAsBefore('sibling0'), raced.label).toBe(true)
      expect(raced.fits('sibling0'), raced.label).toBe(false)
      raced.expectClean()
    })
  })

  it('merges of siblings, each keeping the other', async () => {
    const first = ['merge', '-d', '--keep-siblings', 'cow']
    const second = ['merge', '-d', '--keep-siblings', 'sibling0']
    await contest({ deepCount: 50, first, second }, (raced) => {
      const [cow, sibling] = raced.statuses
      // After one another: who came last is what the backing file holds, and the other reads right all the same.
      const winners = [...(cow === 0 ? ['cow'] : []), ...(sibling === 0 ? ['sibling0'] : [])]
      expect(raced.held(), raced.label).toHaveLength(1)
      expect(winners, raced.label).toContain(raced.held()[0])
      expect(wrongReads(template, raced.directory), raced.label).toEqual([])
      expect([raced.fits('cow'), raced.fits('sibling0')], raced.label).toEqual([true, true])
      raced.expectClean()
    })
  })

  it('merges of siblings, neither keeping the other: one of them fits afterwards', async () => {
    const first = ['merge', '-d', '--force=siblings', 'cow']
    const second = ['merge', '-d', '--force=siblings', 'sibling0']
    await contest({ deepCount: 40, first, second }, (raced) => {
      expect([...raced.statuses].sort(), raced.label).toEqual([0, 4])
      const [winner, loser] = raced.statuses[0] === 0 ? ['cow', 'sibling0'] : ['sibling0', 'cow']
      expect(raced.held(), raced.label).toEqual([winner])
      expect(raced.isAsBefore(loser!), raced.label).toBe(true)
      expect([raced.fits(winner!), raced.fits(loser!)], raced.label).toEqual([true, false])
      raced.expectClean()
    })
  })

  it('a merge and a rebase: it goes into one of the two backing files, whole', async () => {
    const other = Uint8Array.from(template.files.get('root_fs')!, (byte) => byte ^ 0xff)
    const otherMerged = mergeNaively(template.files.get('cow')!, other, template.facts)
    const prepare = (directory: string) => {
      rmSync(path.join(directory, 'sibling0'))
      writeFileSync(path.join(directory, 'other'), other)
      utimesSync(path.join(directory, 'other'), sceneMtime, sceneMtime)
    }
    const second = ['rebase', '-u', '-b', 'other', 'cow']
    await contest({ deepCount: 25, first: ['merge', '-d', 'cow'], second, prepare }, (raced) => {
      const [merge, rebase] = raced.statuses
      const intoFirst = raced.held()[0] === 'cow'
      const intoOther = Buffer.compare(raced.read('other'), otherMerged) === 0
      expect([intoFirst, intoOther].filter(Boolean), raced.label).toHaveLength(merge === 0 ? 1 : 0)
      if (!intoFirst) expectUntouched(raced, 'root_fs', template.files.get('root_fs')!)
      if (!intoOther) expectUntouched(raced, 'other', other)
      expect(headerPath(raced.read('cow')), raced.label).toBe(rebase === 0 ? 'other' : 'root_fs')
      raced.expectClean(['cow', 'other', 'root_fs'])
    })
  })

  it('a merge and a reset: the changes are in the backing file, or nowhere', async () => {
    const prepare = (directory: string) => rmSync(path.join(directory, 'sibling0'))
    await contest({ deepCount: 25, first: ['merge', '-d', 'cow'], second: ['reset', 'cow'], prepare }, (raced) => {
      const [merge, reset] = raced.statuses
      const [held] = raced.held()
      expect(held === 'cow' || (held === 'undo' && reset === 0), raced.label).toBe(true)
      if (merge !== 0) expect(held, raced.label).toBe('undo')
      const seen = mergeNaively(raced.read('cow'), raced.read('root_fs'), template.facts)
      expect(Buffer.compare(seen, raced.read('root_fs')), raced.label).toBe(0)
      expect(raced.fits('cow'), raced.label).toBe(true)
      raced.expectClean(['cow', 'root_fs'])
    })
  })

  it('resumes of one merge: it is finished once', async () => {
    // Killed when all is written, before the backing file gets its last mtime.
    const script = path.join(root, 'test/support/killed-merge.js')
    const prepare = (directory: string) => {
      const operands = ['SIGKILL', 'setMtime', 'root_fs', '2', path.join(directory, 'cow'), '{"force":["siblings"]}']
      expect(spawnSync(process.execPath, [script, ...operands]).signal).toBe('SIGKILL')
    }
    const args = ['merge', '--resume', 'cow']
    const late = /there is no unfinished merge/
    await contest({ deepCount: 20, first: args, second: args, prepare, late }, (raced) => {
      expect(raced.held(), raced.label).toEqual(['cow'])
      expect(raced.fits('cow'), raced.label).toBe(true)
      expect(raced.isAsBefore('sibling0'), raced.label).toBe(true)
      raced.expectClean()
    })
  })
})

function expectUntouched(raced: Raced, name: string, bytes: Uint8Array): void {
  expect(Buffer.compare(raced.read(name), bytes), raced.label).toBe(0)
  expect(statSync(path.join(raced.directory, name)).mtimeMs, raced.label).toBe(sceneMtime * 1000)
}

/** The path in a header of version 3. */
function headerPath(overlay: Buffer): string {
  return overlay.toString('latin1', 32, overlay.indexOf(0, 32))
}
