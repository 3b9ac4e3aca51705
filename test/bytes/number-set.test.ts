import { expect, test } from 'vitest'
import { NumberSet } from '../../src/bytes/number-set.js'
import { diceFor } from '../support/amount.js'

test('agrees with a plain set', () => {
  const dice = diceFor('number set')
  const [set, plain] = [new NumberSet(), new Set<number>()]
  const far = 2 ** 45
  for (let i = 0; i < 400; i++) {
    const start = dice.pick([0, 31, 32_700, 65_000, far]) + dice.below(200)
    const end = start + 1 + dice.below(dice.pick([1, 40, 300]))
    const isAdd = !dice.once(3)
    const before = plain.size
    const members = Array.from({ length: end - start }, (_, k) => start + k).filter((number) => plain.has(number))
    expect(set.hasAny(start, end)).toBe(members.length > 0)
    const runs = [...set.runs(start, end)].flatMap(([from, to]) =>
      Array.from({ length: to - from }, (_, k) => from + k),
    )
    expect(runs).toEqual(members)
    for (let number = start; number < end; number++) isAdd ? plain.add(number) : plain.delete(number)
    expect(isAdd ? set.add(start, end) : set.remove(start, end)).toBe(Math.abs(plain.size - before))
  }
  expect(set.count).toBe(plain.size)
  const listed = [...set.copy().runs()].flatMap(([start, end]) =>
    Array.from({ length: end - start }, (_, k) => start + k),
  )
  expect(listed).toEqual([...plain].sort((a, b) => a - b))
})

test('joins runs over words and pieces, and keeps no empty piece', () => {
  const set = new NumberSet()
  set.add(30, 70_000)
  expect([...set.runs()]).toEqual([[30, 70_000]])
  expect(set.pieceCount).toBe(3)
  expect(set.remove(0, 80_000)).toBe(70_000 - 30)
  expect(set.pieceCount).toBe(0)
  expect(set.has(31)).toBe(false)
})

test('a range takes no time for the pieces that the set does not have', () => {
  const set = new NumberSet()
  const all = 2 ** 52
  set.add(5)
  set.add(2 ** 50, 2 ** 50 + 3)
  expect(set.hasAny(6, 2 ** 50)).toBe(false)
  expect(set.hasAny(6, all)).toBe(true)
  expect([...set.runs(6, all)]).toEqual([[2 ** 50, 2 ** 50 + 3]])
  expect(set.remove(6, 2 ** 50 + 1)).toBe(1)
  expect(set.remove(0, all)).toBe(3)
  expect(set.count).toBe(0)
})
