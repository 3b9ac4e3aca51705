import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { executeSteps } from '../../src/engine/execute.js'
import { planClear } from '../../src/engine/plan-clear.js'
import { type CopyUpLayers, planCopyUpBits, planCopyUpData, planCopyUpSize } from '../../src/engine/plan-copy-up.js'
import { planCount, planCounts } from '../../src/engine/plan-count.js'
import { planWriteBack } from '../../src/engine/plan-write-back.js'
import { computeLayout, type HeaderLayout } from '../../src/formats/cow/index.js'
import type { BlockStore } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { amount } from '../support/amount.js'
import {
  build,
  executors,
  fillLayer,
  type Scene,
  type SceneLayers,
  scenes,
  slowly,
  watched,
  withStores,
} from './scenes.js'

const windowSizes = fc.constantFrom(4096, 16384, 262144)

async function bytesOf(store: BlockStore): Promise<Buffer> {
  const bytes = Buffer.alloc(store.size)
  for (let at = 0; at < bytes.length; ) at += await store.read(at, bytes.subarray(at))
  return bytes
}

/** The plan for a merge whose backing file fails at a transfer. */
async function failAt(
  execute: typeof executeSteps,
  layers: SceneLayers,
  count: number,
  windowSize: number,
): Promise<void> {
  let left = count
  const backing = watched(layers.backing, () => {
    if (left-- === 0) throw new Error('made to fail')
  })
  await execute(planWriteBack({ ...layers, backing }, windowSize)).catch((error: Error) => {
    if (error.message !== 'made to fail') throw error
  })
}

describe.each(executors)('planWriteBack, $name', ({ execute }) => {
  it.each([
    ['at once', (store: BlockStore) => store],
    ['awaited', slowly],
  ] as const)('makes the merged image of the backing file, %s, and leaves the overlay alone', async (_, wrap) => {
    await fc.assert(
      fc.asyncProperty(scenes, windowSizes, async (scene, windowSize) => {
        const { layers, expected } = build(scene)
        const before = await bytesOf(layers.overlay.store)
        await execute(planWriteBack(withStores(layers, wrap), windowSize))
        expect((await bytesOf(layers.backing)).equals(expected)).toBe(true)
        expect((await bytesOf(layers.overlay.store)).equals(before)).toBe(true)
      }),
      { numRuns: amount({ quick: 19, deep: 150 }) },
    )
  })

  it('ends the same after it was cut short anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, fc.nat(300), windowSizes, async (scene, count, windowSize) => {
        const { layers, expected } = build(scene)
        await failAt(execute, layers, count, windowSize)
        await execute(planWriteBack(layers, windowSize))
        expect((await bytesOf(layers.backing)).equals(expected)).toBe(true)
      }),
      { numRuns: amount({ quick: 19, deep: 150 }) },
    )
  })

  it('never writes a block of zeros over a block of zeros: it may be a hole', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, windowSizes, async (scene, windowSize) => {
        const { layers, expected } = build(scene)
        const before = await bytesOf(layers.backing)
        const writes: { offset: number; length: number }[] = []
        const backing = watched(layers.backing, ({ kind, ...where }) => kind === 'write' && writes.push(where))
        await execute(planWriteBack({ ...layers, backing }, windowSize))
        for (const { offset, length } of writes) {
          const end = offset + length
          for (let at = Math.ceil(offset / 4096) * 4096; at + 4096 <= end; at += 4096) {
            const isZero = (bytes: Uint8Array) => bytes.subarray(at, at + 4096).every((byte) => byte === 0)
            expect(isZero(before) && isZero(expected)).toBe(false)
          }
        }
      }),
      { numRuns: amount({ quick: 19, deep: 150 }) },
    )
  })

  it('writes zeros only over what is none: the blocks around it may be holes', async () => {
    const virtualSize = 1024 * 1024
    const allocated = Array.from({ length: virtualSize / 512 }, (_, i) => i !== 3)
    const { layers } = build({ layout: 'v3', sectorSize: 512, virtualSize, allocated })
    layers.overlay.store.writeNow(layers.overlay.layout.dataOffset, Buffer.alloc(virtualSize))
    layers.backing.writeNow(0, Buffer.alloc(virtualSize))
    for (const at of [2048, 300 * 1024, 300 * 1024 + 8192, virtualSize - 1])
      layers.backing.writeNow(at, Buffer.from([1]))
    const writes: [number, number][] = []
    const backing = watched(
      layers.backing,
      ({ kind, offset, length }) => kind === 'write' && writes.push([offset, length]),
    )
    await execute(planWriteBack({ ...layers, backing }))
    expect(writes).toEqual([
      [2048, 2048],
      [300 * 1024, 4096],
      [300 * 1024 + 8192, 4096],
      [virtualSize - 4096, 4096],
    ])
    expect((await bytesOf(layers.backing)).every((byte) => byte === 0)).toBe(true)
  })

  it('does not go through windows of an image that the overlay has nothing in', async () => {
    const allocated = Array.from({ length: 4096 }, (_, i) => i === 0 || i === 4095)
    const { layers } = build({ layout: 'v3', sectorSize: 512, virtualSize: 4096 * 512, allocated })
    let calls = 0
    const count = () => void calls++
    await execute(
      planWriteBack(
        withStores(layers, (store) => watched(store, count)),
        4096,
      ),
    )
    // The bitmap, then for each of the two sectors a read and a write, or a look at what is there in place of the write.
    expect(calls).toBeLessThanOrEqual(1 + 2 * 3)
  })
})

describe.each(executors)('planCounts, $name', ({ execute }) => {
  it('counts sectors, and blocks of 4 KiB, each once', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { layers } = build(scene)
        const blocks = new Set<number>()
        scene.allocated.slice(0, layers.overlay.layout.bitCount).forEach((allocated, sector) => {
          const end = Math.min(scene.virtualSize, (sector + 1) * scene.sectorSize)
          for (let at = sector * scene.sectorSize; allocated && at < end; at += 512) blocks.add(Math.floor(at / 4096))
        })
        const one = { allocatedSectors: 0 }
        await execute(planCount(layers.overlay, one))
        const both = { allocatedSectors: 0, touchedLength: 0 }
        await execute(planCounts(layers.overlay, both))
        expect(both).toEqual({ ...one, touchedLength: blocks.size * 4096 })
      }),
      { numRuns: amount({ quick: 19, deep: 150 }) },
    )
  })
})

describe.each(executors)('planClear, $name', ({ execute }) => {
  it('clears what equals the backing file, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { layers, same } = build(scene)
        const allocated = scene.allocated.slice(0, layers.overlay.layout.bitCount).filter((one) => one).length
        const result = { cleared: 0, kept: 0 }
        await execute(planClear(layers, result))
        expect(result).toEqual({ cleared: same, kept: allocated - same })
        const again = { cleared: 0, kept: 0 }
        await execute(planClear(layers, again))
        expect(again).toEqual({ cleared: 0, kept: allocated - same })
      }),
      { numRuns: amount({ quick: 19, deep: 150 }) },
    )
  })

  it('after a merge it clears every bit', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { layers } = build(scene)
        await execute(planWriteBack(layers))
        const result = { cleared: 0, kept: 0 }
        await execute(planClear(layers, result))
        expect(result.kept).toBe(0)
        const bits = Buffer.alloc(layers.overlay.layout.bitmapLength)
        await layers.overlay.store.read(layers.overlay.layout.bitmapOffset, bits)
        expect(bits.every((byte) => byte === 0)).toBe(true)
      }),
      { numRuns: amount({ quick: 13, deep: 100 }) },
    )
  })
})

interface Family {
  readonly scene: Scene
  readonly siblingLayout: HeaderLayout
  readonly siblingBits: readonly boolean[]
  /** What is left in the sibling's data of former sectors. */
  readonly isDirty: boolean
}

const families: fc.Arbitrary<Family> = fc.record({
  scene: scenes.filter((scene) => scene.sectorSize === 512),
  siblingLayout: fc.constantFrom<HeaderLayout[]>('v1', 'v2', 'v3', 'v3padded'),
  siblingBits: fc.array(fc.boolean(), { minLength: 200, maxLength: 200 }),
  isDirty: fc.boolean(),
})

function buildFamily({ scene, siblingLayout, siblingBits, isDirty }: Family) {
  const { layers } = build(scene)
  const { virtualSize } = scene
  const layout = computeLayout({ layout: siblingLayout, virtualSize, sectorSize: 512, alignment: 4096 })
  const file = new Uint8Array(layout.dataOffset + layout.dataLength)
  if (isDirty) file.fill(0xee, layout.dataOffset)
  const own = fillLayer(virtualSize, 5)
  for (let sector = 0; sector < layout.bitCount; sector++) {
    if (siblingBits[sector] !== true) continue
    file[layout.bitmapOffset + Math.floor(sector / 8)]! |= 1 << (sector % 8)
    file.set(own.subarray(sector * 512, sector * 512 + 512), layout.dataOffset + sector * 512)
  }
  const sibling = { ...layers.overlay, store: openMemoryStore(file), layout }
  const copyUp: CopyUpLayers = { ...layers, sibling }
  return { layers, sibling, copyUp }
}

/** What a guest reads through an overlay, sector by sector. */
async function guestBytes(
  { store, layout }: CopyUpLayers['sibling'],
  backing: BlockStore,
  virtualSize: number,
): Promise<Buffer> {
  const file = await bytesOf(store)
  const bytes = await bytesOf(backing)
  for (let sector = 0; sector < layout.bitCount; sector++) {
    if (((file[layout.bitmapOffset + Math.floor(sector / 8)]! >> (sector % 8)) & 1) === 0) continue
    const start = layout.dataOffset + sector * 512
    bytes.set(file.subarray(start, start + Math.min(512, virtualSize - sector * 512)), sector * 512)
  }
  return bytes
}

/** Sectors of the overlay that this sibling has no bit for. */
function changesBitless({ scene, siblingLayout }: Family): boolean {
  const { virtualSize } = scene
  const { bitCount } = computeLayout({ layout: siblingLayout, virtualSize, sectorSize: 512, alignment: 4096 })
  return scene.layout.startsWith('v3') && scene.allocated.slice(bitCount).some((one) => one)
}

describe.each(executors)('planCopyUp, $name', ({ execute }) => {
  it('keeps what a sibling shows, whatever the merge writes; whole groups of 4 KiB; nothing twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        families.filter((family) => !changesBitless(family)),
        async (family) => {
          const { layers, sibling, copyUp } = buildFamily(family)
          const { virtualSize } = family.scene
          const before = await guestBytes(sibling, layers.backing, virtualSize)
          const expectedSize = { bytes: 0 }
          await execute(planCopyUpSize(copyUp, expectedSize))
          const copied = { bytes: 0 }
          await execute(planCopyUpData(copyUp, copied))
          expect((await guestBytes(sibling, layers.backing, virtualSize)).equals(before), 'after the data').toBe(true)
          await execute(planCopyUpBits(copyUp))
          expect((await guestBytes(sibling, layers.backing, virtualSize)).equals(before), 'after the bits').toBe(true)
          expect(Math.ceil(copied.bytes / 512) * 512).toBe(expectedSize.bytes)

          const again = { bytes: 0 }
          await execute(planCopyUpData(copyUp, again))
          expect(again.bytes).toBe(0)
          await execute(planWriteBack(layers))
          expect((await guestBytes(sibling, layers.backing, virtualSize)).equals(before), 'after the merge').toBe(true)
          await expectWholeGroups(layers, sibling)
        },
      ),
      { numRuns: amount({ quick: 38, deep: 300 }) },
    )
  })
})

async function expectWholeGroups(layers: SceneLayers, sibling: CopyUpLayers['sibling']): Promise<void> {
  const ours = await bytesOf(layers.overlay.store)
  const theirs = await bytesOf(sibling.store)
  for (let group = 0; group < Math.min(layers.overlay.layout.bitmapLength, sibling.layout.bitmapLength); group++) {
    if (ours[layers.overlay.layout.bitmapOffset + group] === 0) continue
    const sectors = Math.min(8, sibling.layout.sectorCount - group * 8)
    expect(theirs[sibling.layout.bitmapOffset + group]).toBe(2 ** sectors - 1)
  }
}
