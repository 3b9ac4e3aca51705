import './quick.js'
import { describe, expect, test } from 'vitest'
import { checkMeddled, meddlers, mergeByOtherName } from './meddlers.js'
import type { Mishap } from './mishaps.js'

// The crash checker with somebody at work between kill and resume; and without the guards, when it has to find that.

const rows = Object.entries(meddlers).map(([name, meddle]) => ({ name, meddle }))

test.each(rows)('a sibling is $name between kill and resume: nothing is lost', async ({ meddle, name }) => {
  const { kills, refused, violations } = await checkMeddled(meddle, { every: 3 })
  expect(violations).toEqual([])
  expect(kills).toBeGreaterThan(8)
  if (name !== 'rebased by umlcow') expect(refused).toBeGreaterThan(2)
})

/** Nobody sees that a file has several names. */
const countsNoNames: Mishap = (files) => ({
  ...files,
  stat: async (path) => ({ ...(await files.stat(path)), links: 1 }),
})

test('another overlay on another name of the backing file is not merged between kill and resume', async () => {
  const { kills, violations } = await checkMeddled(
    mergeByOtherName((files) => files),
    { every: 4 },
  )
  expect(violations).toEqual([])
  expect(kills).toBeGreaterThan(8)
})

describe('with a guard left out, the checker finds it', () => {
  test.each(rows.filter(({ name }) => name === 'moved away' || name === 'replaced by a copy'))(
    'resume goes on without what the journal pins: a sibling is $name',
    async ({ meddle }) => {
      const { violations } = await checkMeddled(meddle, { every: 5, force: ['siblings'] })
      expect(violations.join('\n')).toMatch(/what S1 showed is gone/)
    },
  )

  test('the names of the backing file are not counted', async () => {
    const { violations } = await checkMeddled(mergeByOtherName(countsNoNames), { every: 4 })
    expect(violations.join('\n')).toMatch(/what S1 showed is gone|not what it should have become|resume failed/)
  })
})
