import { appendFileSync } from 'node:fs'
import { createDice, type Dice } from './generate.js'

// How much a test does. "npm test" samples where the number makes the time; "npm run test:deep" does far more: all that
// there is where that is a number, as of calls to fail at, else the full numbers, as of mutated headers. Both do the same
// kinds of checks. A sample depends on the seed of the run, which is printed; UMLCOW_SEED gives it again.

/** True in "npm run test:deep". */
export const isDeep = process.env['UMLCOW_TEST'] === 'deep'

/** @returns  how many, or which, of the two belong to this run */
export function amount<T>({ quick, deep }: { readonly quick: T; readonly deep: T }): T {
  return isDeep ? deep : quick
}

/** How often a property is tried: a quarter of the full number in a quick run. */
export function runs(full: number): number {
  return amount({ quick: Math.ceil(full / 4), deep: full })
}

/** The seed of this run; test/vitest.config.ts chooses it. */
export const runSeed = Number(process.env['UMLCOW_SEED'] ?? 1)

/** A seed for one test of this run: another one for each name. */
export function seedFor(name: string): number {
  let seed = runSeed >>> 0
  for (const byte of Buffer.from(name)) seed = (Math.imul(seed, 16777619) ^ byte) >>> 0
  return seed
}

export function diceFor(name: string): Dice {
  return createDice(seedFor(name))
}

/**
 * The items that this run looks at: in a deep run all of them. In a quick run there is at least one of each kind, and
 * others at random up to the number.
 *
 * @param name    of the test, for its dice
 * @param kindOf  such as the name of a call whose number among all calls the item is; default: all are of one kind
 * @returns       in the order of the items
 */
export function sampleOf<T>(
  name: string,
  items: readonly T[],
  number: number,
  kindOf: (item: T) => unknown = () => null,
): T[] {
  if (isDeep) return [...items]
  const kinds = new Map<unknown, number[]>()
  for (const [i, item] of items.entries()) {
    const kind = kindOf(item)
    kinds.set(kind, [...(kinds.get(kind) ?? []), i])
  }
  const dice = diceFor(name)
  const chosen = new Set([...kinds.values()].map((indexes) => dice.pick(indexes)))
  while (chosen.size < Math.min(number, items.length)) chosen.add(dice.below(items.length))
  return items.filter((_, i) => chosen.has(i))
}

/**
 * Report how much was done. The test command adds up what all tests report of one kind, and prints it at its end.
 *
 * @param what   such as "crash states"
 * @param count  of them
 * @param of     further numbers to add up, such as { distinct: 96 }
 */
export function tally(what: string, count: number, of: Readonly<Record<string, number>> = {}): void {
  const file = process.env['UMLCOW_TALLY']
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ what, count, of })}\n`)
}
