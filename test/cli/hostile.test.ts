import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { maxHeaderSize } from '../../src/formats/cow/index.js'
import { amount, isDeep, runSeed, sampleOf } from '../support/amount.js'
import { type MeasuredOutcome, measuredUmlcow } from '../support/command.js'
import { fixtureOverlays, mutateHeader, randomNumbers } from '../support/hostile.js'
import { root, temporaryDirectory } from '../support/paths.js'

const verbs = [
  (file: string) => ['info', '--json', file],
  (file: string) => ['check', file],
  (file: string) => ['map', '--no-backing', file],
  (file: string) => ['merge', '-b', 'root_fs', file, 'merged.img'],
]

const samples = amount({ quick: 4, deep: 200 })
const invalid = path.join(root, 'fixtures/invalid')

/** A coded error or an answer: a known status, no stack, little time and memory. Returns the status. */
function expectDecent(outcome: MeasuredOutcome, what: string): number | null {
  expect([0, 1, 2, 3, 4, 63], `${what}: ${outcome.stderr}`).toContain(outcome.status)
  expect(outcome.stderr, what).not.toContain('    at ')
  expect(outcome.stderr, what).not.toContain('defect')
  // Most take a tenth of a second; beside other work the same takes several times as much.
  expect(outcome.cpuSeconds, what).toBeLessThan(5)
  expect(outcome.peakBytes, what).toBeLessThan(100 * 2 ** 20)
  return outcome.status
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

describe('the command on hostile files', () => {
  it(`${samples} mutated headers`, () => {
    const directory = temporaryDirectory()
    const overlays = fixtureOverlays(directory)
    const random = randomNumbers(amount({ quick: runSeed, deep: 2 }))
    const statuses = new Set<number | null>()
    for (let i = 0; i < samples; i++) {
      const { name, bytes } = overlays[i % overlays.length] as { name: string; bytes: Buffer }
      const cwd = path.join(directory, path.dirname(name))
      const file = path.join(cwd, 'hostile.cow')
      const mutated = Buffer.from(bytes)
      mutated.set(mutateHeader(mutated.subarray(0, maxHeaderSize), random))
      writeFileSync(file, mutated)
      const verb = verbs[i % verbs.length] as (file: string) => string[]
      statuses.add(expectDecent(measuredUmlcow(verb('hostile.cow'), { cwd }), `sample ${i}, ${verb(name).join(' ')}`))
      expect(sha256(file)).toBe(createHash('sha256').update(mutated).digest('hex'))
    }
    // Which statuses so few give is luck.
    if (isDeep) expect([...statuses]).toEqual(expect.arrayContaining([0, 1, 2, 63]))
  })

  it('every invalid fixture gives its own code, and is left as it was', () => {
    const cwd = temporaryDirectory()
    // All of them, but not what they cost: schema.test.ts.
    for (const name of sampleOf('invalid', readdirSync(invalid), 5)) {
      const file = path.join(invalid, name)
      const before = sha256(file)
      const outcome = measuredUmlcow(['merge', '--json', '-b', 'none', file, 'merged.img'], { cwd })
      expectDecent(outcome, name)
      const code = JSON.parse(outcome.stdout).error.code
      // The missing backing file is found before the data is looked at.
      const expected = name.startsWith('TRUNCATED_OVERLAY') ? 'BACKING_MISSING' : name.slice(0, name.indexOf('--'))
      expect(code, name).toBe(expected)
      expect(sha256(file)).toBe(before)
      expect(readdirSync(cwd)).toEqual([])
    }
  })
})
