import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countAllocated, countOverlay } from '../../src/engine/count-allocated.js'
import { executeSteps } from '../../src/engine/execute.js'
import { planClear } from '../../src/engine/plan-clear.js'
import { type CopyUpInputs, planCopyUpBits, planCopyUpData, planCopyUpSize } from '../../src/engine/plan-copy-up.js'
import type { MergeInputs } from '../../src/engine/plan-merge.js'
import { planWriteBack } from '../../src/engine/plan-write-back.js'
import { computeLayout, type HeaderLayout } from '../../src/formats/cow/index.js'
import type { BlockStore } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { amount } from '../support/amount.js'
import { build, fillLayer, type Scene, type SceneInputs, scenes, slowly, watched } from './scenes.js'

const windowSizes = fc.constantFrom(4096, 16384, 262144)

async function bytesOf(store: BlockStore): Promise<Buffer> {
  const bytes = Buffer.alloc(store.size)
  for (let at = 0; at < bytes.length; ) at += await store.read(at, bytes.subarray(at))
  return bytes
}

/** The plan for a merge whose backing file fails at a transfer. */
async function failAt(inputs: SceneInputs, count: number, windowSize: number): Promise<void> {
  let left = count
  const backing = watched(inputs.backing, () => {
    if (left-- === 0) throw new Error('made to fail')
  })
  await executeSteps(planWriteBack({ ...inputs, backing }, windowSize)).catch((error: Error) => {
    if (error.message !== 'made to fail') throw error
  })
}

describe('planWriteBack', () => {
  it.each([
    ['at once', (store: BlockStore) => store],
    ['awaited', slowly],
  ] as const)('makes the merged image of the backing file, %s, and leaves the overlay alone', async (_, wrap) => {
    await fc.assert(
      fc.asyncProperty(scenes, windowSizes, async (scene, windowSize) => {
        const { inputs, expected } = build(scene)
        const before = await bytesOf(inputs.overlay)
        const wrapped = { ...inputs, overlay: wrap(inputs.overlay), backing: wrap(inputs.backing) }
        await executeSteps(planWriteBack(wrapped, windowSize))
        expect((await bytesOf(inputs.backing)).equals(expected)).toBe(true)
        expect((await bytesOf(inputs.overlay)).equals(before)).toBe(true)
      }),
      { numRuns: amount({ quick: 37, deep: 150 }) },
    )
  })

  it('ends the same after it was cut short anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, fc.nat(300), windowSizes, async (scene, count, windowSize) => {
        const { inputs, expected } = build(scene)
        await failAt(inputs, count, windowSize)
        await executeSteps(planWriteBack(inputs, windowSize))
        expect((await bytesOf(inputs.backing)).equals(expected)).toBe(true)
      }),
      { numRuns: amount({ quick: 37, deep: 150 }) },
    )
  })

  it('never writes a block of zeros over a block of zeros: it may be a hole', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, windowSizes, async (scene, windowSize) => {
        const { inputs, expected } = build(scene)
        const before = await bytesOf(inputs.backing)
        const writes: { offset: number; length: number }[] = []
        const backing = watched(inputs.backing, ({ kind, ...where }) => kind === 'write' && writes.push(where))
        await executeSteps(planWriteBack({ ...inputs, backing }, windowSize))
        for (const { offset, length } of writes) {
          const end = offset + length
          for (let at = Math.ceil(offset / 4096) * 4096; at + 4096 <= end; at += 4096) {
            const isZero = (bytes: Uint8Array) => bytes.subarray(at, at + 4096).every((byte) => byte === 0)
            expect(isZero(before) && isZero(expected)).toBe(false)
          }
        }
      }),
      { numRuns: amount({ quick: 37, deep: 150 }) },
    )
  })

  it('writes zeros only over what is none: the blocks around it may be holes', async () => {
    const virtualSize = 1024 * 1024
    const allocated = Array.from({ length: virtualSize / 512 }, (_, i) => i !== 3)
    const { inputs } = build({ layout: 'v3', sectorSize: 512, virtualSize, allocated })
    inputs.overlay.writeNow(inputs.dataOffset, Buffer.alloc(virtualSize))
    inputs.backing.writeNow(0, Buffer.alloc(virtualSize))
    for (const at of [2048, 300 * 1024, 300 * 1024 + 8192, virtualSize - 1])
      inputs.backing.writeNow(at, Buffer.from([1]))
    const writes: [number, number][] = []
    const backing = watched(
      inputs.backing,
      ({ kind, offset, length }) => kind === 'write' && writes.push([offset, length]),
    )
    await executeSteps(planWriteBack({ ...inputs, backing }))
    expect(writes).toEqual([
      [2048, 2048],
      [300 * 1024, 4096],
      [300 * 1024 + 8192, 4096],
      [virtualSize - 4096, 4096],
    ])
    expect((await bytesOf(inputs.backing)).every((byte) => byte === 0)).toBe(true)
  })

  it('does not go through windows of an image that the overlay has nothing in', async () => {
    const allocated = Array.from({ length: 4096 }, (_, i) => i === 0 || i === 4095)
    const { inputs } = build({ layout: 'v3', sectorSize: 512, virtualSize: 4096 * 512, allocated })
    let calls = 0
    const count = () => void calls++
    const { overlay, backing } = inputs
    await executeSteps(
      planWriteBack({ ...inputs, overlay: watched(overlay, count), backing: watched(backing, count) }, 4096),
    )
    // The bitmap, then for each of the two sectors a read and a write, or a look at what is there in place of the write.
    expect(calls).toBeLessThanOrEqual(1 + 2 * 3)
  })
})

describe('countOverlay', () => {
  it('counts sectors, and blocks of 4 KiB, each once', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { inputs } = build(scene)
        const blocks = new Set<number>()
        scene.allocated.slice(0, inputs.layout.bitCount).forEach((allocated, sector) => {
          const end = Math.min(scene.virtualSize, (sector + 1) * scene.sectorSize)
          for (let at = sector * scene.sectorSize; allocated && at < end; at += 512) blocks.add(Math.floor(at / 4096))
        })
        const sectors = await countAllocated(inputs.overlay, inputs.layout)
        expect(await countOverlay(inputs)).toEqual({ allocatedSectors: sectors, touchedLength: blocks.size * 4096 })
      }),
      { numRuns: amount({ quick: 37, deep: 150 }) },
    )
  })
})

describe('planClear', () => {
  it('clears what equals the backing file, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { inputs, same } = build(scene)
        const allocated = scene.allocated.slice(0, inputs.layout.bitCount).filter((one) => one).length
        const result = { cleared: 0, kept: 0 }
        await executeSteps(planClear(inputs, result))
        expect(result).toEqual({ cleared: same, kept: allocated - same })
        const again = { cleared: 0, kept: 0 }
        await executeSteps(planClear(inputs, again))
        expect(again).toEqual({ cleared: 0, kept: allocated - same })
      }),
      { numRuns: amount({ quick: 37, deep: 150 }) },
    )
  })

  it('after a merge it clears every bit', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        const { inputs } = build(scene)
        await executeSteps(planWriteBack(inputs))
        const result = { cleared: 0, kept: 0 }
        await executeSteps(planClear(inputs, result))
        expect(result.kept).toBe(0)
        const bits = Buffer.alloc(inputs.layout.bitmapLength)
        await inputs.overlay.read(inputs.layout.bitmapOffset, bits)
        expect(bits.every((byte) => byte === 0)).toBe(true)
      }),
      { numRuns: amount({ quick: 25, deep: 100 }) },
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
  const { inputs } = build(scene)
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
  const sibling = { store: openMemoryStore(file), layout }
  const copyUp: CopyUpInputs = {
    overlay: { store: inputs.overlay, layout: inputs.layout },
    sibling,
    backing: inputs.backing,
    virtualSize,
  }
  return { inputs, sibling, copyUp }
}

/** What a guest reads through an overlay, sector by sector. */
async function guestBytes(
  { store, layout }: CopyUpInputs['sibling'],
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

describe('planCopyUp', () => {
  it('keeps what a sibling shows, whatever the merge writes; whole groups of 4 KiB; nothing twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        families.filter((family) => !changesBitless(family)),
        async (family) => {
          const { inputs, sibling, copyUp } = buildFamily(family)
          const { virtualSize } = family.scene
          const before = await guestBytes(sibling, inputs.backing, virtualSize)
          const expectedSize = { bytes: 0 }
          await executeSteps(planCopyUpSize(copyUp, expectedSize))
          const copied = { bytes: 0 }
          await executeSteps(planCopyUpData(copyUp, copied))
          expect((await guestBytes(sibling, inputs.backing, virtualSize)).equals(before), 'after the data').toBe(true)
          await executeSteps(planCopyUpBits(copyUp))
          expect((await guestBytes(sibling, inputs.backing, virtualSize)).equals(before), 'after the bits').toBe(true)
          expect(Math.ceil(copied.bytes / 512) * 512).toBe(expectedSize.bytes)

          const again = { bytes: 0 }
          await executeSteps(planCopyUpData(copyUp, again))
          expect(again.bytes).toBe(0)
          await executeSteps(planWriteBack(inputs))
          expect((await guestBytes(sibling, inputs.backing, virtualSize)).equals(before), 'after the merge').toBe(true)
          await expectWholeGroups(inputs, sibling)
        },
      ),
      { numRuns: amount({ quick: 75, deep: 300 }) },
    )
  })
})

async function expectWholeGroups(inputs: MergeInputs, sibling: CopyUpInputs['sibling']): Promise<void> {
  const ours = await bytesOf(inputs.overlay)
  const theirs = await bytesOf(sibling.store)
  for (let group = 0; group < Math.min(inputs.layout.bitmapLength, sibling.layout.bitmapLength); group++) {
    if (ours[inputs.layout.bitmapOffset + group] === 0) continue
    const sectors = Math.min(8, sibling.layout.sectorCount - group * 8)
    expect(theirs[sibling.layout.bitmapOffset + group]).toBe(2 ** sectors - 1)
  }
}
