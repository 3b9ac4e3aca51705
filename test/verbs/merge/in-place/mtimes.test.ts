import { describe, expect, test } from 'vitest'
import {
  chooseMtimes,
  clockTimes,
  type KnownMtimes,
  pauseForClock,
  shownMtimes,
} from '../../../../src/verbs/merge/in-place/mtimes/choose-mtimes.js'
import type { FileTimes } from '../../../../src/verbs/merge/in-place/mtimes/file-times.js'
import { createModelClock, type ModelClock } from '../../../support/model-clock.js'

const second = 1_700_000_000

/** A file system that makes something of each second, with the clock's time or a server's. */
function keeping(clock: ModelClock, kept: (second: number) => number, serverAhead = 0): FileTimes {
  return {
    name: 'root_fs',
    present: async () => kept(Math.floor(clock.now() / 1000) + serverAhead),
    stored: async (one) => kept(one),
  }
}

const all = (one: number) => one
const even = (one: number) => one - (one % 2)

async function choose(clock: ModelClock, known: Partial<KnownMtimes>, times = keeping(clock, all)) {
  return chooseMtimes(clock, times, { headers: [], shown: [], ...known })
}

describe('chooseMtimes', () => {
  test('takes seconds that are later than all known, the final one over before the merge begins', async () => {
    const clock = createModelClock({ start: (second + 100) * 1000 + 500 })
    const known = { headers: [second], shown: [second, second - 7] }
    expect(await choose(clock, known)).toEqual({ invalid: second + 100, final: second + 99 })
    expect(await chooseMtimes(clock, clockTimes(clock, 'device'), known)).toEqual({
      invalid: second + 100,
      final: second + 99,
    })
    expect(clock.now()).toBe((second + 100) * 1000 + 500)
  })

  test.each([0, 1, 2, 3])('waits where there is no such second yet, %i s', async (ahead) => {
    const clock = createModelClock({ start: second * 1000 })
    const { invalid, final } = await choose(clock, { shown: [second + ahead] })
    expect(final).toBeGreaterThan(second + ahead)
    expect(final).toBeLessThan(Math.floor(clock.now() / 1000))
    expect(invalid).toBeGreaterThan(final)
    expect(clock.now()).toBeLessThanOrEqual((second + ahead + 4) * 1000)
  })

  test.each([
    ['near 2^32', 2 ** 32 - 3],
    ['of the next year', second + 31_536_000],
    ['of a moment ago', second - 1],
    ['of the second that would be the final one', second - 2],
  ])('avoids a stale header %s and does not exceed it', async (_, stale) => {
    const clock = createModelClock({ start: second * 1000 })
    const { invalid, final } = await choose(clock, { headers: [stale, second - 100], shown: [second - 100] })
    const free = [second, second - 1, second - 2, second - 3].filter((one) => one !== stale)
    expect([invalid, final]).toEqual(free.slice(0, 2))
    expect(clock.now()).toBe(second * 1000)
  })

  test('waits until the clock is past a stale header, for a write would give its second', async () => {
    const clock = createModelClock({ start: second * 1000 })
    const { invalid, final } = await choose(clock, { headers: [second, second + 1] })
    expect([invalid, final]).toEqual([second + 2, second - 1])
  })

  test('does not follow a backing file into the future, but avoids what it has shown', async () => {
    const clock = createModelClock({ start: second * 1000 })
    expect(await choose(clock, { shown: [second + 1000, second - 1] })).toEqual({
      invalid: second + 1,
      final: second,
    })
    expect(clock.now()).toBeLessThan((second + 2) * 1000)
  })

  test('takes none of the seconds in which another merge may have written', async () => {
    const clock = createModelClock({ start: second * 1000 })
    const { final } = await choose(clock, { shown: [second - 50], wasWritten: true })
    expect(final).toBeGreaterThan(second)
  })

  test.each([
    ['even seconds', even],
    ['whole minutes', (one: number) => one - (one % 60)],
    ['even seconds, rounded up', (one: number) => one + (one % 2)],
    ['no time after 2038', (one: number) => Math.min(one, 2 ** 31 - 1)],
  ])('takes what the file system keeps: %s', async (_, kept) => {
    for (const start of [second, second + 1, second + 30]) {
      const clock = createModelClock({ start: start * 1000 })
      const known = { headers: [second - 1000, 2 ** 32 - 2], shown: [second - 1000] }
      const { invalid, final } = await choose(clock, known, keeping(clock, kept))
      expect([kept(invalid), kept(final)]).toEqual([invalid, final])
      expect(final).toBeLessThan(invalid)
      expect(final).toBeGreaterThan(second - 1000)
      expect(invalid).toBeLessThanOrEqual(kept(start))
    }
  })

  test('goes by the clock of the file system', async () => {
    const clock = createModelClock({ start: second * 1000 })
    const times = keeping(clock, all, -3600)
    expect(await choose(clock, { shown: [second - 7200] }, times)).toEqual({
      invalid: second - 3600,
      final: second - 3601,
    })
  })

  test('refuses where every write would give the time that the headers carry', async () => {
    const end = 2 ** 31 - 1
    const clock = createModelClock({ start: (end + 1000) * 1000 })
    const times = keeping(clock, (one) => Math.min(one, end))
    const known = { headers: [end], shown: [end] }
    await expect(choose(clock, known, times)).rejects.toMatchObject({ code: 'MTIME_UNFIT' })
  })

  test('refuses where the file system keeps nothing', async () => {
    const clock = createModelClock({ start: second * 1000 })
    const times = keeping(clock, (one) => one - 1_000_000)
    await expect(choose(clock, { shown: [second - 9] }, times)).rejects.toMatchObject({ code: 'MTIME_UNFIT' })
  })
})

test('pauseForClock lets seconds go by that a write must not give', async () => {
  const clock = createModelClock({ start: second * 1000 })
  await pauseForClock(clock, [second + 1, second + 3])
  expect(clock.now()).toBeGreaterThanOrEqual((second + 5) * 1000)
  await pauseForClock(clock, [second + 100])
  expect(clock.now()).toBeLessThan((second + 6) * 1000)
})

test('shownMtimes counts the time of the last change, but not that of a copy with the old mtime', () => {
  expect(shownMtimes({ mtime: second, ctime: second + 60 })).toEqual([second, second + 60])
  expect(shownMtimes({ mtime: second, ctime: second + 86_400 })).toEqual([second])
  expect(shownMtimes({ mtime: second, ctime: second - 5 })).toEqual([second, second - 5])
})
