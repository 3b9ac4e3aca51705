import { describe, expect, it } from 'vitest'
import type { Progress } from '../../../src/machine/operation-options.js'
import { halfOfProgress, withReadProgress } from '../../../src/machine/streams/with-read-progress.js'

const wait = (duration: number) => new Promise((done) => setTimeout(done, duration))

/** Reports about two pieces of 10 bytes. The first one comes late. */
async function reportsOf(size: number | null, half?: 'first' | 'second'): Promise<Progress[]> {
  const reports: Progress[] = []
  const plain = { onProgress: (progress: Progress) => reports.push(progress) }
  const options = half === undefined ? plain : halfOfProgress(plain, half)
  async function* source() {
    yield Buffer.alloc(10)
    yield Buffer.alloc(10)
  }
  for await (const _ of withReadProgress(source(), { ...options, size, description: 'read' })) await wait(30)
  return reports
}

const numbers = (reports: readonly Progress[]) => reports.map(({ transferred, size }) => [transferred, size])

describe('withReadProgress', () => {
  it('reports bytes of a source of known or unknown size, and its end', async () => {
    const known = await reportsOf(20)
    expect(numbers(known)).toEqual([
      [10, 20],
      [20, 20],
      [20, 20],
    ])
    expect(known.every(({ description, elapsed }) => description === 'read' && elapsed >= 0)).toBe(true)
    expect(numbers(await reportsOf(null))).toEqual([
      [10, 0],
      [20, 0],
      [20, 20],
    ])
  })

  it('reports the half of a longer operation', async () => {
    expect(numbers(await reportsOf(20, 'first'))).toEqual([
      [5, 20],
      [10, 20],
      [10, 20],
    ])
    expect(numbers(await reportsOf(20, 'second')).at(-1)).toEqual([20, 20])
    const options = {}
    expect(halfOfProgress(options, 'first')).toBe(options)
  })
})
