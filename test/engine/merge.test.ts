import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isDense } from '../../src/engine/density.js'
import type { Layers } from '../../src/engine/merge-layers.js'
import { countSame, planCompareRuns } from '../../src/engine/plan-compare.js'
import { planMerge } from '../../src/engine/plan-merge.js'
import type { Steps } from '../../src/engine/step.js'
import { type BlockStore, isSyncStore, readPaddedNow } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { amount } from '../support/amount.js'
import { build, executors, type Scene, scenes, slowly, withStores } from './scenes.js'

describe.each(executors)('planMerge, $name', ({ execute }) => {
  for (const keepHoles of [true, false]) {
    for (const way of ['at once', 'awaited'] as const) {
      it(`equals a sector by sector merge, ${way}, ${keepHoles ? 'leaving out' : 'writing'} zeros`, async () => {
        await fc.assert(
          fc.asyncProperty(scenes, fc.constantFrom(4096, 16384, 262144), async (scene, windowSize) => {
            const { layers, expected } = build(scene)
            const target = openMemoryStore()
            await target.truncate(scene.virtualSize)
            const wrap = way === 'at once' ? (store: BlockStore) => store : slowly
            const wrapped = withStores(layers, wrap)
            await execute(planMerge(wrapped, { store: wrap(target), keepHoles }, { windowSize }))
            expect(Buffer.compare(target.bytes(), expected)).toBe(0)
          }),
          { numRuns: amount({ quick: 25, deep: 150 }) },
        )
      })
    }
  }

  it('writes a pipe from its start to its end, every byte once', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { layers, expected } = build(scene)
        const parts: Uint8Array[] = []
        let at = 0
        const pipe: BlockStore = {
          ...slowly(openMemoryStore()),
          write: async (offset, source) => {
            expect(offset).toBe(at)
            parts.push(Uint8Array.from(source))
            at += source.length
            return source.length
          },
        }
        await execute(planMerge(layers, { store: pipe, keepHoles: false }, { windowSize: 8192 }))
        expect(Buffer.concat(parts).equals(expected)).toBe(true)
      }),
      { numRuns: amount({ quick: 17, deep: 100 }) },
    )
  })

  it('reads by the run where runs are few and by the span where they are many', () => {
    const scene = (allocated: boolean[]): Scene => ({
      layout: 'v3',
      sectorSize: 512,
      virtualSize: 512 * allocated.length,
      allocated,
    })
    const few = counted(build(scene(Array.from({ length: 512 }, (_, i) => i % 100 === 0))).layers)
    const many = counted(build(scene(Array.from({ length: 512 }, (_, i) => i % 2 === 0))).layers)
    // One read is the bitmap's.
    expect([few(), many()]).toEqual([
      { overlay: 1 + 6, backing: 1 },
      { overlay: 1 + 1, backing: 1 },
    ])
  })

  it('does not read the backing file where the overlay covers a window', () => {
    const full = build({ layout: 'v3', sectorSize: 512, virtualSize: 512 * 512, allocated: Array(512).fill(true) })
    expect(counted(full.layers)()).toEqual({ overlay: 2, backing: 0 })
  })

  it('stops at once when asked, between steps and during a write that never ends', async () => {
    const { layers } = build({ layout: 'v3', sectorSize: 512, virtualSize: 1 << 20, allocated: [] })
    const stop = new AbortController()
    const stuck: BlockStore = { ...slowly(openMemoryStore()), write: () => new Promise(() => {}) }
    setTimeout(() => stop.abort(), 20)
    const run = execute(planMerge(layers, { store: stuck, keepHoles: false }), { signal: stop.signal })
    await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' })
    const late = execute(planMerge(layers, { store: openMemoryStore(), keepHoles: false }), {
      signal: stop.signal,
    })
    await expect(late).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })

  it('reports positions that only grow and end at the virtual size', async () => {
    const { layers } = build({ layout: 'v3', sectorSize: 512, virtualSize: 3 << 20, allocated: [true] })
    const positions: number[] = []
    const target = openMemoryStore()
    await execute(planMerge(layers, { store: target, keepHoles: false }, { windowSize: 4096 }), {
      onPosition: (position) => positions.push(position),
    })
    expect(positions.at(-1)).toBe(3 << 20)
    expect(positions).toEqual([...positions].sort((a, b) => a - b))
  })

  it('reports no position again that a plan goes back to', async () => {
    const positions: number[] = []
    const bytes = Buffer.alloc(4096)
    function* plan(): Steps {
      for (const position of [10, 40, 20, 30, 50, 45]) {
        const until = performance.now() + 30
        while (performance.now() < until);
        yield { kind: 'read', store: openMemoryStore(), offset: 0, bytes, position }
      }
    }
    await execute(plan(), { onPosition: (position) => positions.push(position) })
    expect(positions).toEqual([10, 40, 40, 40, 50, 50, 50])
  })
})

/** Runs a merge and tells how many reads each input saw. */
function counted(layers: Layers): () => { overlay: number; backing: number } {
  return () => {
    const reads = { overlay: 0, backing: 0 }
    for (const step of planMerge(layers, { store: openMemoryStore(), keepHoles: false })) {
      if (step.kind !== 'read') continue
      if (step.store === layers.overlay.store) reads.overlay++
      else reads.backing++
      if (isSyncStore(step.store)) readPaddedNow(step.store, step.offset, step.bytes)
    }
    return reads
  }
}

describe.each(executors)('planCompareRuns, $name', ({ execute }) => {
  it('counts the allocated sectors that equal the backing file', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { layers, same } = build(scene)
        let count = 0
        const plan = planCompareRuns(layers, (compared) => {
          count += countSame(compared, layers.overlay.header.sectorSize)
          return true
        })
        await execute(plan)
        expect(count).toBe(same)
      }),
      { numRuns: amount({ quick: 25, deep: 150 }) },
    )
  })
})

describe('isDense', () => {
  it('has its crossover at 32 runs per 256 KiB', () => {
    expect([isDense(32, 262144), isDense(33, 262144), isDense(1, 4096), isDense(0, 512)]).toEqual([
      false,
      true,
      true,
      false,
    ])
  })
})
