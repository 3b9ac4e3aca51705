import { describe, expect, test } from 'vitest'
import { chooseMtimes, pauseForClock, shownMtimes } from '../../../src/verbs/in-place/mtimes.js'
import { createModelClock } from '../../support/model-clock.js'

const second = 1_700_000_000

describe('chooseMtimes', () => {
  test('takes seconds that are later than all known, the final one over before the merge begins', async () => {
    const clock = createModelClock({ start: (second + 100) * 1000 + 500 })
    const { invalid, final, ahead } = await chooseMtimes(clock, [second, second - 7])
    expect({ invalid, final, ahead }).toEqual({ invalid: second + 100, final: second + 99, ahead: false })
    expect(clock.now()).toBe((second + 100) * 1000 + 500)
  })

  test.each([0, 1, 2, 3])('waits where there is no such second yet, %i s', async (ahead) => {
    const clock = createModelClock({ start: second * 1000 })
    const { invalid, final } = await chooseMtimes(clock, [second + ahead])
    expect(final).toBeGreaterThan(second + ahead)
    expect(final).toBeLessThan(Math.floor(clock.now() / 1000))
    expect(invalid).not.toBe(final)
    expect(invalid).toBeGreaterThan(second + ahead)
    expect(clock.now()).toBeLessThanOrEqual((second + ahead + 3) * 1000)
  })

  test('goes beyond headers of the future, as no wait helps', async () => {
    const clock = createModelClock({ start: second * 1000 })
    const future = 2 ** 32 - 3
    expect(await chooseMtimes(clock, [second, future])).toEqual({ invalid: future + 1, final: future + 2, ahead: true })
    await expect(chooseMtimes(clock, [future + 1])).rejects.toMatchObject({ code: 'BAD_MTIME' })
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
  expect(shownMtimes({ mtime: second, ctime: second - 5 })).toEqual([second])
})
