import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { knownStretches } from '../../src/engine/data-map.js'
import { planFileCopy } from '../../src/engine/plan-file-copy.js'
import type { BlockStore } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { runs } from '../support/amount.js'
import { executors } from './scenes.js'

/** A file in blocks of 4 KiB, of zeros or data, with a tail of any length; and a map that calls more than its data so. */
const files = fc
  .record({
    blocks: fc.array(fc.constantFrom('hole', 'zeros', 'data'), { maxLength: 40 }),
    cut: fc.integer({ min: 0, max: 4095 }),
    /** A stretch may start and end inside a block: some file systems have smaller ones. */
    early: fc.constantFrom(0, 1024, 3072),
  })
  .map(({ blocks, cut, early }) => {
    const size = Math.max(0, blocks.length * 4096 - cut)
    const bytes = Buffer.alloc(size)
    const stretches: number[] = []
    for (const [i, block] of blocks.entries()) {
      const start = i * 4096 + early
      if (block === 'data') bytes.fill(`block ${i} `, Math.min(size, start), Math.min(size, (i + 1) * 4096))
      if (block === 'hole' || start >= size) continue
      stretches.push(start, Math.min(size, (i + 1) * 4096))
    }
    return { size, bytes, stretches: Float64Array.from(stretches) }
  })

/** Writes that a store got, `[start, end]`. */
function recorder(store: BlockStore): { store: BlockStore; writes: [number, number][] } {
  const writes: [number, number][] = []
  const write: BlockStore['write'] = (offset, source) => {
    writes.push([offset, offset + source.length])
    return store.write(offset, source)
  }
  return {
    writes,
    store: {
      name: store.name,
      size: store.size,
      read: store.read,
      write,
      truncate: store.truncate,
      sync: store.sync,
      close: store.close,
    },
  }
}

describe.each(executors)('planFileCopy, $name', ({ execute }) => {
  it('copies every byte, and writes no whole block of zeros', async () => {
    await fc.assert(
      fc.asyncProperty(files, fc.constantFrom(4096, 16384, 262144), async ({ size, bytes, stretches }, windowSize) => {
        for (const data of [undefined, knownStretches(stretches)]) {
          const target = openMemoryStore()
          await target.truncate(size)
          const { store, writes } = recorder(target)
          await execute(planFileCopy(openMemoryStore(bytes), store, { size, data, keepHoles: true, windowSize }))
          expect(Buffer.compare(target.bytes(), bytes)).toBe(0)
          for (const [start, end] of writes) {
            expect(start % 4096).toBe(0)
            for (let at = start; at < end; at += 4096) {
              expect(bytes.subarray(at, Math.min(end, at + 4096)).some((byte) => byte !== 0)).toBe(true)
            }
          }
        }
      }),
      { numRuns: runs(200) },
    )
  })

  it('writes every byte once, from start to end, where holes do not count', async () => {
    await fc.assert(
      fc.asyncProperty(files, async ({ size, bytes }) => {
        const target = openMemoryStore(Buffer.alloc(size, 0xff))
        const { store, writes } = recorder(target)
        await execute(planFileCopy(openMemoryStore(bytes), store, { size, keepHoles: false, windowSize: 8192 }))
        expect(Buffer.compare(target.bytes(), bytes)).toBe(0)
        expect(writes.reduce((at, [start, end]) => (start === at ? end : Number.NaN), 0)).toBe(size)
      }),
      { numRuns: runs(50) },
    )
  })

  it('goes on with zeros where the source has become shorter', async () => {
    const target = openMemoryStore(Buffer.alloc(10_000, 1))
    await execute(planFileCopy(openMemoryStore(Buffer.alloc(5000, 7)), target, { size: 10_000, keepHoles: false }))
    expect(Buffer.compare(target.bytes(), Buffer.alloc(10_000).fill(7, 0, 5000))).toBe(0)
  })
})
