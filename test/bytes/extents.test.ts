import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Extent, joinExtents } from '../../src/bytes/extents.js'
import { runs } from '../support/amount.js'

const stored: Extent = { start: 100, length: 50, depth: 0, data: true, zero: false, offset: 4196 }
const hole: Extent = { start: 100, length: 50, depth: 1, data: false, zero: true }

async function joined(extents: readonly Extent[]): Promise<Extent[]> {
  async function* source() {
    yield* extents
  }
  const found: Extent[] = []
  for await (const extent of joinExtents(source())) found.push(extent)
  return found
}

/** The part of an extent from `start` to `end`. */
function part(extent: Extent, start: number, end: number): Extent {
  const moved = { ...extent, start, length: end - start }
  return extent.offset === undefined ? moved : { ...moved, offset: extent.offset + (start - extent.start) }
}

describe('joinExtents', () => {
  const next: Extent = { ...stored, start: 150, length: 10, offset: 4246 }

  test('joins what goes on in guest and file', async () => {
    expect(await joined([stored, next])).toEqual([{ ...stored, length: 60 }])
    expect(await joined([hole, { ...hole, start: 150, length: 7 }])).toEqual([{ ...hole, length: 57 }])
    expect(await joined([stored])).toEqual([stored])
    expect(await joined([])).toEqual([])
  })

  test.each([
    ['another depth', { depth: 1 }],
    ['another state', { data: false }],
    ['zeros', { zero: true }],
    ['another place in the file', { offset: 4247 }],
    ['a gap in the guest', { start: 151 }],
  ])('keeps apart what differs by %s', async (_what, change) => {
    expect(await joined([stored, { ...next, ...change }])).toEqual([stored, { ...next, ...change }])
  })

  test('keeps apart what has an offset and what has none', async () => {
    const { offset: _, ...without } = next
    expect(await joined([stored, without])).toEqual([stored, without])
    expect(
      await joined([
        { ...hole, data: true, zero: false },
        { ...next, depth: 1 },
      ]),
    ).toHaveLength(2)
  })

  test('gives the pieces of a cut extent back as one', async () => {
    const property = fc.asyncProperty(
      fc.boolean(),
      fc.uniqueArray(fc.integer({ min: 101, max: 149 }), { maxLength: 10 }),
      async (isStored, cuts) => {
        const whole = isStored ? stored : hole
        const borders = [100, ...cuts.sort((a, b) => a - b), 150]
        const pieces = borders.slice(1).map((end, i) => part(whole, borders[i]!, end))
        expect(await joined(pieces)).toEqual([whole])
      },
    )
    await fc.assert(property, { numRuns: runs(100) })
  })
})
