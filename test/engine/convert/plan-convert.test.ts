import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { imageParts } from '../../../src/engine/convert/image-parts.js'
import { overlayParts } from '../../../src/engine/convert/overlay-parts.js'
import type { PartSource } from '../../../src/engine/convert/parts.js'
import { planConvert } from '../../../src/engine/convert/plan-convert.js'
import { type DataMap, knownStretches } from '../../../src/engine/data-map.js'
import { type CowHeader, parseCowHeader } from '../../../src/formats/cow/index.js'
import { openCowImage } from '../../../src/images/cow-image.js'
import { createCowSink } from '../../../src/images/cow-sink.js'
import type { ImageSink } from '../../../src/images/new-image.js'
import { openRawImage } from '../../../src/images/raw-image.js'
import { createRawSink, createRawStreamSink } from '../../../src/images/raw-sink.js'
import type { SyncBlockStore } from '../../../src/stores/block-store.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'
import { build, executors, type Scene, scenes } from '../scenes.js'

const runs = 12

function imageOf({ layers }: ReturnType<typeof build>, scene: Scene) {
  const header = { ...layers.overlay.header, ...scene, alignment: 4096 } as unknown as CowHeader
  return openCowImage(layers.overlay.store, header, openRawImage(layers.backing))
}

/** The ways to read an overlay over its backing file: by its bitmap, or by the extents of its image. */
function sourcesOf(scene: Scene): { whole: PartSource; own: PartSource; built: ReturnType<typeof build> }[] {
  const built = build(scene)
  const { overlay, backing } = built.layers
  const bitmap = { whole: overlayParts(overlay, { store: backing }), own: overlayParts(overlay, null), built }
  if (scene.layout !== 'v3') return [bitmap]
  const stores = [{ store: overlay.store }, { store: backing }]
  const image = imageOf(built, scene)
  const byStores = { whole: imageParts(image, stores), own: imageParts(image, stores, 1), built }
  return [bitmap, byStores, { whole: imageParts(image, []), own: imageParts(image, [], 1), built }]
}

const newHeader = ({ virtualSize }: Scene, sectorSize = 512) => ({
  mtime: 7,
  virtualSize,
  sectorSize,
  alignment: 4096,
  backingPath: new Uint8Array([0x62]),
})

function sectorsOf(bytes: Uint8Array): { header: CowHeader; isSet: (offset: number) => boolean; dataOffset: number } {
  const header = parseCowHeader(bytes)
  const bitmapOffset = 8192
  const length = Math.ceil(Math.ceil(header.virtualSize / header.sectorSize) / 8)
  const isSet = (offset: number) => {
    const sector = Math.floor(offset / header.sectorSize)
    return (bytes[bitmapOffset + Math.floor(sector / 8)]! & (1 << (sector % 8))) !== 0
  }
  return { header, isSet, dataOffset: Math.ceil((bitmapOffset + length) / 4096) * 4096 }
}

function bytesOf(store: SyncBlockStore): Uint8Array {
  const bytes = new Uint8Array(store.size)
  store.readNow(0, bytes)
  return bytes
}

/** `toEqual` takes a second for such arrays. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0)
}

/** What a new overlay shows over `backing`. */
function shown(bytes: Uint8Array, backing: Uint8Array): Uint8Array {
  const { header, isSet, dataOffset } = sectorsOf(bytes)
  const result = new Uint8Array(header.virtualSize)
  result.set(backing.subarray(0, result.length))
  for (let at = 0; at < result.length; at += header.sectorSize) {
    if (!isSet(at)) continue
    const end = Math.min(result.length, at + header.sectorSize)
    result.fill(0, at, end)
    result.set(bytes.subarray(dataOffset + at, dataOffset + end), at)
  }
  return result
}

function sectorOffsets({ virtualSize }: Scene): number[] {
  return Array.from({ length: Math.ceil(virtualSize / 512) }, (_, i) => i * 512)
}

/** Calls must ascend and be whole units. */
function strict(sink: ImageSink, virtualSize: number, unit = sink.unit): ImageSink {
  let at = 0
  const check = (offset: number, length: number) => {
    expect(offset).toBeGreaterThanOrEqual(at)
    expect(length).toBeGreaterThan(0)
    expect(offset % unit).toBe(0)
    at = offset + length
    if (at !== virtualSize) expect(at % unit).toBe(0)
  }
  return {
    unit,
    write: (offset, data) => {
      check(offset, data.length)
      return sink.write(offset, data)
    },
    zero: (offset, length) => {
      check(offset, length)
      return sink.zero(offset, length)
    },
    finish: () => sink.finish(),
  }
}

describe.each(executors)('planConvert, $name', ({ execute }) => {
  it('makes a raw image of every overlay, in a file or a pipe', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, fc.constantFrom(0, 4096, 65536), async (scene, zeroUnit) => {
        for (const { whole, built } of sourcesOf(scene)) {
          for (const create of [createRawSink, createRawStreamSink]) {
            const target = openMemoryStore()
            const sink = strict(create(target, scene.virtualSize), scene.virtualSize)
            await execute(planConvert(whole, sink, { zeroUnit, below: null }))
            expectSame(target.bytes(), built.expected)
          }
        }
      }),
      { numRuns: runs },
    )
  })

  it('keeps exactly the allocated sectors of an overlay', async () => {
    await fc.assert(
      fc.asyncProperty(scenes, async (scene) => {
        for (const { own, built } of sourcesOf(scene)) {
          const target = openMemoryStore()
          const sink = strict(createCowSink(target, newHeader(scene)), scene.virtualSize)
          const below = { backing: { store: built.layers.backing }, dropEqual: null }
          await execute(planConvert(own, sink, { zeroUnit: 4096, below }))
          const { isSet } = sectorsOf(target.bytes())
          const { bitCount } = built.layers.overlay.layout
          const wrong = sectorOffsets(scene).filter((at) => {
            const sector = Math.floor(at / scene.sectorSize)
            return isSet(at) !== (sector < bitCount && scene.allocated[sector] === true)
          })
          expect(wrong).toEqual([])
          expectSame(shown(target.bytes(), bytesOf(built.layers.backing)), built.expected)
        }
      }),
      { numRuns: runs },
    )
  })

  it('fills units that an overlay supplies in part, and drops groups that the backing file has', async () => {
    const units = fc.constantFrom(512, 4096, 65536, 2 ** 20)
    await fc.assert(
      fc.asyncProperty(scenes, units, fc.constantFrom(null, 512, 4096), async (scene, unit, dropEqual) => {
        for (const { own, whole, built } of sourcesOf(scene)) {
          const backing = bytesOf(built.layers.backing)
          for (const source of dropEqual === null ? [own] : [own, whole]) {
            const target = openMemoryStore()
            const sink = strict(createCowSink(target, newHeader(scene)), scene.virtualSize, unit)
            const counts = { stored: 0, zeros: 0, dropped: 0 }
            const below = { backing: { store: built.layers.backing }, dropEqual }
            await execute(planConvert(source, sink, { zeroUnit: 4096, below }, counts))
            expectSame(shown(target.bytes(), backing), built.expected)
            if (dropEqual === null) continue
            const group = Math.max(unit, dropEqual)
            const { isSet } = sectorsOf(target.bytes())
            const needless = sectorOffsets(scene).filter((at) => {
              const start = at - (at % group)
              const end = Math.min(scene.virtualSize, start + group)
              return isSet(at) && Buffer.from(backing).compare(built.expected, start, end, start, end) === 0
            })
            expect(needless).toEqual([])
          }
        }
      }),
      { numRuns: runs },
    )
  })

  it('skips the holes of its inputs', async () => {
    const size = 3 * 2 ** 20
    const bytes = new Uint8Array(size).fill(1, 2 ** 20, 2 ** 20 + 8192)
    const map = (): DataMap => knownStretches(Float64Array.of(2 ** 20, 2 ** 20 + 8192))
    let readLength = 0
    const memory = openMemoryStore(bytes)
    const store = {
      ...memory,
      size,
      readNow: (offset: number, target: Uint8Array) => {
        readLength += target.length
        return memory.readNow(offset, target)
      },
      read: async (offset: number, target: Uint8Array) => store.readNow(offset, target),
    }
    const image = openRawImage(store)
    const target = openMemoryStore()
    const plan = planConvert(imageParts(image, [{ store, data: map() }]), createRawSink(target, size), {
      zeroUnit: 4096,
      below: null,
    })
    await execute(plan)
    expectSame(target.bytes(), bytes)
    expect(readLength).toBe(8192)

    const overlay = openMemoryStore()
    const backing = { store: openMemoryStore(new Uint8Array(size)), data: knownStretches(new Float64Array(0)) }
    const counts = { stored: 0, zeros: 0, dropped: 0 }
    const sink = createCowSink(overlay, { ...newHeader({ virtualSize: size } as Scene) })
    const below = { backing, dropEqual: 4096 }
    await execute(planConvert(imageParts(image, [{ store, data: map() }]), sink, { zeroUnit: 4096, below }, counts))
    expect(counts).toEqual({ stored: 8192, zeros: 0, dropped: size - 8192 })
  })

  it('marks long zeros without reading anything', async () => {
    const virtualSize = 2 ** 40
    const calls: [number, number][] = []
    const sink: ImageSink = {
      unit: 512,
      write: () => expect.unreachable(),
      zero: (offset, length) => {
        calls.push([offset, length])
        return undefined
      },
      finish: async () => {},
    }
    const image = openRawImage(openMemoryStore(), virtualSize)
    const below = { backing: { store: openMemoryStore() }, dropEqual: null }
    await execute(planConvert(imageParts(image, []), sink, { zeroUnit: 4096, below }))
    expect(calls).toEqual([[0, virtualSize]])
  })
})
