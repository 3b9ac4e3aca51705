import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planCompareRuns } from '../../src/engine/compare-runs.js'
import { executeSteps } from '../../src/engine/execute.js'
import { type MergeInputs, planMerge } from '../../src/engine/plan-merge.js'
import { isDense } from '../../src/engine/window.js'
import { computeLayout, type HeaderLayout } from '../../src/formats/cow/index.js'
import { type BlockStore, isSyncStore, readPaddedNow } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'

interface Scene {
  readonly layout: HeaderLayout
  readonly sectorSize: number
  readonly virtualSize: number
  readonly allocated: readonly boolean[]
}

const scenes: fc.Arbitrary<Scene> = fc
  .record({
    layout: fc.constantFrom<HeaderLayout[]>('v1', 'v2', 'v3', 'v3padded'),
    sectorSize: fc.constantFrom(512, 512, 1024, 4096, 65536),
    sectors: fc.integer({ min: 0, max: 200 }),
    cut: fc.integer({ min: 0, max: 511 }),
    pattern: fc.constantFrom('random', 'empty', 'full', 'alternating', 'runs'),
    seed: fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }),
  })
  .map(({ layout, sectorSize, sectors, cut, pattern, seed }) => {
    const virtualSize = Math.max(0, Math.min(sectors, 2 ** 19 / sectorSize) * sectorSize - cut)
    const count = Math.ceil(virtualSize / sectorSize)
    const isAllocated = (i: number) =>
      ({
        random: seed[i] === true,
        empty: false,
        full: true,
        alternating: i % 2 === 0,
        runs: seed[Math.floor(i / 16)] === true,
      })[pattern]
    return { layout, sectorSize, virtualSize, allocated: Array.from({ length: count }, (_, i) => isAllocated(i)) }
  })

/** Guest byte `i` of each layer; blocks of zeros among them. */
function fillLayer(size: number, salt: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (Math.floor(i / 3000) % 3 === salt % 3 ? 0 : (i * 7 + salt) % 251))
}

function build(scene: Scene): { inputs: MergeInputs; expected: Uint8Array; same: number } {
  const header = { ...scene, alignment: scene.layout.startsWith('v3') ? 4096 : scene.sectorSize }
  const layout = computeLayout(header)
  const overlayData = fillLayer(scene.virtualSize, 1)
  const backing = fillLayer(scene.virtualSize, 2)
  const expected = Uint8Array.from(backing)
  const file = new Uint8Array(layout.dataOffset + layout.dataLength)
  file.set(overlayData, layout.dataOffset)
  let same = 0
  scene.allocated.forEach((allocated, sector) => {
    if (!allocated || sector >= layout.bitCount) return
    const bitByte = layout.bitmapOffset + Math.floor(sector / 8)
    file[bitByte] = (file[bitByte] as number) | (1 << (sector % 8))
    const start = sector * scene.sectorSize
    const data = overlayData.subarray(start, start + scene.sectorSize)
    if (data.every((byte, i) => byte === backing[start + i])) same++
    expected.set(data, start)
  })
  const inputs: MergeInputs = {
    overlay: openMemoryStore(file),
    backing: openMemoryStore(backing),
    dataOffset: layout.dataOffset,
    header,
    layout,
  }
  return { inputs, expected, same }
}

/** The same store without its synchronous half, giving and taking few bytes at a time. */
function slowly(store: BlockStore): BlockStore {
  const some = (bytes: Uint8Array) => bytes.subarray(0, Math.max(1, Math.min(bytes.length, 1777)))
  return {
    name: store.name,
    get size() {
      return store.size
    },
    read: (offset, target) => store.read(offset, some(target)),
    write: (offset, source) => store.write(offset, some(source)),
    truncate: (size) => store.truncate(size),
    sync: () => store.sync(),
    close: () => store.close(),
  }
}

describe('planMerge', () => {
  for (const keepHoles of [true, false]) {
    for (const way of ['at once', 'awaited'] as const) {
      it(`equals a sector by sector merge, ${way}, ${keepHoles ? 'leaving out' : 'writing'} zeros`, async () => {
        await fc.assert(
          fc.asyncProperty(scenes, fc.constantFrom(4096, 16384, 262144), async (scene, windowSize) => {
            const { inputs, expected } = build(scene)
            const target = openMemoryStore()
            await target.truncate(scene.virtualSize)
            const wrap = way === 'at once' ? (store: BlockStore) => store : slowly
            const slow = { ...inputs, overlay: wrap(inputs.overlay), backing: wrap(inputs.backing) }
            await executeSteps(planMerge(slow, { store: wrap(target), keepHoles }, windowSize))
            expect(Buffer.compare(target.bytes(), expected)).toBe(0)
          }),
          { numRuns: 150 },
        )
      })
    }
  }

  it('writes a pipe from its start to its end, every byte once', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { inputs, expected } = build(scene)
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
        await executeSteps(planMerge(inputs, { store: pipe, keepHoles: false }, 8192))
        expect(Buffer.concat(parts).equals(expected)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  it('reads by the run where runs are few and by the span where they are many', () => {
    const scene = (allocated: boolean[]): Scene => ({
      layout: 'v3',
      sectorSize: 512,
      virtualSize: 512 * allocated.length,
      allocated,
    })
    const few = counted(build(scene(Array.from({ length: 512 }, (_, i) => i % 100 === 0))).inputs)
    const many = counted(build(scene(Array.from({ length: 512 }, (_, i) => i % 2 === 0))).inputs)
    // One read is the bitmap's.
    expect([few(), many()]).toEqual([
      { overlay: 1 + 6, backing: 1 },
      { overlay: 1 + 1, backing: 1 },
    ])
  })

  it('does not read the backing file where the overlay covers a window', () => {
    const full = build({ layout: 'v3', sectorSize: 512, virtualSize: 512 * 512, allocated: Array(512).fill(true) })
    expect(counted(full.inputs)()).toEqual({ overlay: 2, backing: 0 })
  })

  it('stops at once when asked, between steps and during a write that never ends', async () => {
    const { inputs } = build({ layout: 'v3', sectorSize: 512, virtualSize: 1 << 20, allocated: [] })
    const stop = new AbortController()
    const stuck: BlockStore = { ...slowly(openMemoryStore()), write: () => new Promise(() => {}) }
    setTimeout(() => stop.abort(), 20)
    const run = executeSteps(planMerge(inputs, { store: stuck, keepHoles: false }), { signal: stop.signal })
    await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' })
    const late = executeSteps(planMerge(inputs, { store: openMemoryStore(), keepHoles: false }), {
      signal: stop.signal,
    })
    await expect(late).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })

  it('reports positions that only grow and end at the virtual size', async () => {
    const { inputs } = build({ layout: 'v3', sectorSize: 512, virtualSize: 3 << 20, allocated: [true] })
    const positions: number[] = []
    const target = openMemoryStore()
    await executeSteps(planMerge(inputs, { store: target, keepHoles: false }, 4096), {
      onPosition: (position) => positions.push(position),
    })
    expect(positions.at(-1)).toBe(3 << 20)
    expect(positions).toEqual([...positions].sort((a, b) => a - b))
  })
})

/** Runs a merge and tells how many reads each input saw. */
function counted(inputs: MergeInputs): () => { overlay: number; backing: number } {
  return () => {
    const reads = { overlay: 0, backing: 0 }
    for (const step of planMerge(inputs, { store: openMemoryStore(), keepHoles: false })) {
      if (step.kind === 'write') continue
      if (step.store === inputs.overlay) reads.overlay++
      else reads.backing++
      if (isSyncStore(step.store)) readPaddedNow(step.store, step.offset, step.bytes)
    }
    return reads
  }
}

describe('planCompareRuns', () => {
  it('counts the allocated sectors that equal the backing file', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { inputs, same } = build(scene)
        const result = { count: 0 }
        await executeSteps(planCompareRuns(inputs, result))
        expect(result.count).toBe(same)
      }),
      { numRuns: 150 },
    )
  })
})

describe('isDense', () => {
  it('has its crossover at 12 runs per 256 KiB', () => {
    expect([isDense(12, 262144), isDense(13, 262144), isDense(1, 16384), isDense(0, 512)]).toEqual([
      false,
      true,
      true,
      false,
    ])
  })
})
