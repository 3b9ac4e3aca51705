import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forEachDataStretch } from '../../src/bytes/zeros.js'
import { type DataMap, knownStretches, probedStretches } from '../../src/engine/data-map.js'
import type { Layers } from '../../src/engine/merge-layers.js'
import { planCompareMerged, planMerge } from '../../src/engine/plan-merge.js'
import { planWriteBack } from '../../src/engine/plan-write-back.js'
import { runBatchCapacity } from '../../src/engine/run-batch.js'
import { computeLayout } from '../../src/formats/cow/index.js'
import { readPaddedNow } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { runs } from '../support/amount.js'
import { executors, slowly } from './scenes.js'

/** What an overlay and a backing file hold, in sectors. */
interface Scene {
  readonly sectorSize: number
  readonly sectors: number
  /** Bytes that the last sector lacks. */
  readonly cut: number
  /** Of the backing file, more or less than the virtual size. */
  readonly surplus: number
  /** Lengths of runs and of what lies between them, over and over. */
  readonly runs: readonly number[]
  /** The same of data and holes in the backing file, in blocks of 4 KiB. */
  readonly backing: readonly number[]
}

const scenes: fc.Arbitrary<Scene> = fc.record({
  sectorSize: fc.constantFrom(512, 512, 1024, 4096),
  sectors: fc.integer({ min: 1, max: 2500 }),
  cut: fc.nat(511),
  surplus: fc.constantFrom(0, 0, -1, 1, -5000, 70_000, -1_000_000),
  runs: fc.oneof(
    fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 6 }),
    fc.constant([1]),
    fc.constant([100_000]),
  ),
  backing: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 6 }),
})

/** Whether position `i` lies in an odd stretch. */
function isOdd(lengths: readonly number[], i: number): boolean {
  const total = lengths.reduce((sum, length) => sum + length, 0)
  let rest = i % total
  const rounds = Math.floor(i / total)
  let index = 0
  while (rest >= lengths[index]!) rest -= lengths[index++]!
  return (rounds * lengths.length + index) % 2 === 1
}

function build(scene: Scene) {
  const { sectorSize, sectors, cut, surplus, runs } = scene
  const virtualSize = sectors * sectorSize - cut
  const header = { layout: 'v3' as const, sectorSize, virtualSize, alignment: 4096 }
  const layout = computeLayout(header)
  const backing = new Uint8Array(Math.max(0, virtualSize + surplus))
  for (let at = 0; at < backing.length; at += 4096) {
    if (isOdd(scene.backing, at / 4096)) backing.fill(1 + ((at / 4096) % 250), at, at + 4096)
  }
  const overlay = new Uint8Array(layout.dataOffset + virtualSize)
  const expected = new Uint8Array(virtualSize)
  expected.set(backing.subarray(0, virtualSize))
  for (let sector = 0; sector < sectors; sector++) {
    if (!isOdd(runs, sector)) continue
    const at = layout.bitmapOffset + Math.floor(sector / 8)
    overlay[at] = overlay[at]! | (1 << (sector % 8))
    const [start, end] = [sector * sectorSize, Math.min(virtualSize, (sector + 1) * sectorSize)]
    // Some of what the overlay supplies is zeros.
    const value = sector % 7 < 2 ? 0 : 255
    overlay.fill(value, layout.dataOffset + start, layout.dataOffset + end)
    expected.fill(value, start, end)
  }
  const layers: Layers = {
    overlay: { store: openMemoryStore(overlay), header, layout },
    backing: openMemoryStore(backing),
  }
  return { layers, backing, expected }
}

/** All that has data, as a file system might list it. */
function listed(bytes: Uint8Array): Float64Array {
  const list: number[] = []
  forEachDataStretch(bytes, bytes.length, (start, end) => list.push(start, end))
  return Float64Array.from(list)
}

const maps: Record<string, (backing: Uint8Array) => DataMap | undefined> = {
  none: () => undefined,
  known: (backing) => knownStretches(listed(backing)),
  probed: (backing) => probedStretches(openMemoryStore(backing), Buffer.alloc(65536)),
}
const windowSizes = fc.constantFrom(4096, 12288, 65536, 262144, 2 ** 20)

const mapsAndExecutors = Object.entries(maps).flatMap(([map, mapOf]) =>
  executors.map(({ name, execute }) => ({ map, mapOf, name, execute })),
)

describe.each(mapsAndExecutors)('a merge that knows the holes, $map, $name', ({ mapOf, execute }) => {
  it('gives a file the same bytes', async () => {
    const property = fc.asyncProperty(scenes, windowSizes, fc.boolean(), async (scene, windowSize, keepHoles) => {
      const { layers, backing, expected } = build(scene)
      const store = openMemoryStore()
      await store.truncate(expected.length)
      await execute(planMerge(layers, { store, keepHoles }, { windowSize, data: mapOf(backing) }))
      expect(Buffer.compare(store.bytes(), expected)).toBe(0)
    })
    await fc.assert(property, { numRuns: runs(60) })
  })

  it('writes a pipe from its start to its end', async () => {
    const property = fc.asyncProperty(scenes, windowSizes, async (scene, windowSize) => {
      const { layers, backing, expected } = build(scene)
      let at = 0
      const pipe = openMemoryStore()
      const store = {
        ...pipe,
        writeNow(offset: number, source: Uint8Array) {
          expect(offset).toBe(at)
          at += source.length
          return pipe.writeNow(offset, source)
        },
      }
      await execute(planMerge(layers, { store, keepHoles: false }, { windowSize, data: mapOf(backing) }))
      expect(Buffer.compare(pipe.bytes(), expected)).toBe(0)
    })
    await fc.assert(property, { numRuns: runs(40) })
  })
})

describe('runs of more than one batch', () => {
  const scene = { sectorSize: 512, sectors: 5 * runBatchCapacity + 3, cut: 7, surplus: 0, runs: [1], backing: [90, 90] }

  it.each(mapsAndExecutors)('$map, $name', async ({ mapOf, execute }) => {
    for (const windowSize of [4096, 2 ** 20]) {
      const { layers, backing, expected } = build(scene)
      const store = openMemoryStore()
      await store.truncate(expected.length)
      await execute(planMerge(layers, { store, keepHoles: true }, { windowSize, data: mapOf(backing) }))
      expect(Buffer.compare(store.bytes(), expected)).toBe(0)
    }
  })
})

it('goes over a hole of gigabytes with few steps, whatever runs came before', () => {
  const virtualSize = 2 ** 32
  const header = { layout: 'v3' as const, sectorSize: 512, virtualSize, alignment: 4096 }
  const layout = computeLayout(header)
  const bits = new Uint8Array(layout.dataOffset)
  bits[layout.bitmapOffset] = 0b101
  const store = openMemoryStore(bits)
  const layers = { overlay: { store, header, layout }, backing: openMemoryStore() }
  const nothing = knownStretches(new Float64Array(0))
  const asked = { looks: 0, finds: 0 }
  const data: DataMap = {
    start: Number.POSITIVE_INFINITY,
    get end() {
      asked.looks++
      return nothing.end
    },
    find(from) {
      asked.finds++
      return nothing.find(from)
    },
  }
  let steps = 0
  for (const step of planMerge(layers, { store: openMemoryStore(), keepHoles: true }, { windowSize: 4096, data })) {
    steps++
    if (step.kind === 'read') readPaddedNow(store, step.offset, step.bytes)
  }
  // The bitmap's 16 pieces, and the one window with runs; then two windows a piece.
  expect({ steps, finds: asked.finds }).toEqual({ steps: 16 + 1, finds: 1 })
  expect(asked.looks).toBeLessThan(50)
})

describe.each(executors)('planCompareMerged, $name', ({ execute }) => {
  it('is silent of what was merged right, and tells the window of one wrong byte', async () => {
    const property = fc.asyncProperty(scenes, fc.nat(), async (scene, draw) => {
      const { layers, expected } = build(scene)
      const where = draw % expected.length
      const found: number[][] = []
      const note = (start: number, length: number) => found.push([start, length])
      await execute(planCompareMerged(layers, openMemoryStore(expected), note))
      expect(found).toEqual([])
      expected[where]! ^= 1
      await execute(planCompareMerged(layers, slowly(openMemoryStore(expected)), note))
      const start = where - (where % 262144)
      expect(found).toEqual([[start, Math.min(262144, expected.length - start)]])
    })
    await fc.assert(property, { numRuns: runs(30) })
  })
})

it.each(executors)(
  'an overlay over a copy of the backing file gives the same, for every window size, $name',
  async ({ execute }) => {
    const property = fc.asyncProperty(scenes, windowSizes, async (scene, windowSize) => {
      const { layers, backing, expected } = build(scene)
      const copy = openMemoryStore(backing)
      await copy.truncate(expected.length)
      await execute(planWriteBack({ ...layers, backing: copy }, windowSize))
      expect(Buffer.compare(copy.bytes(), expected)).toBe(0)
    })
    await fc.assert(property, { numRuns: runs(60) })
  },
)
