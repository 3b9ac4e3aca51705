import { expect, test } from 'vitest'
import { diffLines } from '../../src/bytes/line-diff.js'
import { diceFor } from '../support/amount.js'

/** The length of the longest common subsequence, by a table. */
function commonLength(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0)
  for (const one of a) {
    const next = [0]
    for (const [i, other] of b.entries()) next.push(one === other ? row[i]! + 1 : Math.max(row[i + 1]!, next[i]!))
    row = next
  }
  return row[b.length]!
}

test('gives the shortest list of changes that makes one list of the other', () => {
  const dice = diceFor('line diff')
  for (let round = 0; round < 300; round++) {
    const letters = ['a', 'b', 'c', 'd'].slice(0, 1 + dice.below(4))
    const [old, now] = [0, 0].map(() => Array.from({ length: dice.below(12) }, () => dice.pick(letters))) as [
      string[],
      string[],
    ]
    const changes = diffLines(old, now)
    const made = [...old]
    for (const { oldStart, oldEnd, newStart, newEnd } of [...changes].reverse()) {
      made.splice(oldStart, oldEnd - oldStart, ...now.slice(newStart, newEnd))
    }
    expect(made).toEqual(now)
    const steps = changes.reduce((sum, one) => sum + one.oldEnd - one.oldStart + one.newEnd - one.newStart, 0)
    expect(steps, `${old} ${now}`).toBe(old.length + now.length - 2 * commonLength(old, now))
    for (const [i, { oldStart, newStart }] of changes.entries()) {
      if (i > 0) expect(oldStart - changes[i - 1]!.oldEnd).toBe(newStart - changes[i - 1]!.newEnd)
      if (i > 0) expect(oldStart).toBeGreaterThan(changes[i - 1]!.oldEnd)
    }
  }
})

test('makes one change of lists that differ in thousands of lines', () => {
  const [old, now] = ['x', 'y'].map((letter) => Array.from({ length: 3000 }, (_, i) => `${letter}${i}`))
  expect(diffLines(['same', ...old!], ['same', ...now!, 'more'])).toEqual([
    { oldStart: 1, oldEnd: 3001, newStart: 1, newEnd: 3002 },
  ])
})
