import fc from 'fast-check'
import { executeSteps } from '../../src/engine/execute.js'
import type { Layers, StoredOverlay } from '../../src/engine/merge-layers.js'
import { computeLayout, type HeaderLayout } from '../../src/formats/cow/index.js'
import { executeLocally } from '../../src/machine/execute-locally.js'
import type { BlockStore, SyncBlockStore } from '../../src/stores/block-store.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'

export interface Scene {
  readonly layout: HeaderLayout
  readonly sectorSize: number
  readonly virtualSize: number
  readonly allocated: readonly boolean[]
}

export const scenes: fc.Arbitrary<Scene> = fc
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
export function fillLayer(size: number, salt: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (Math.floor(i / 3000) % 3 === salt % 3 ? 0 : (i * 7 + salt) % 251))
}

export interface SceneLayers extends Layers {
  readonly overlay: StoredOverlay & { readonly store: SyncBlockStore }
  readonly backing: SyncBlockStore
}

/** Both executors: what one does with a plan, the other has to do, too. */
export const executors = [
  { name: 'awaited', execute: executeSteps },
  { name: 'local', execute: executeLocally },
] as const

export function build(scene: Scene): { layers: SceneLayers; expected: Uint8Array; same: number } {
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
  const layers = { overlay: { store: openMemoryStore(file), header, layout }, backing: openMemoryStore(backing) }
  return { layers, expected, same }
}

/** The same layers with other stores. */
export function withStores<T extends BlockStore>(
  { overlay, backing }: SceneLayers,
  wrap: (store: SyncBlockStore) => T,
): Layers {
  return { overlay: { ...overlay, store: wrap(overlay.store) }, backing: wrap(backing) }
}

/** The same store without its synchronous half, giving and taking few bytes at a time. */
export function slowly(store: BlockStore): BlockStore {
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

/** Calls `onCall` before every transfer of a store in memory; what it throws the transfer fails with. */
export function watched(
  store: SyncBlockStore,
  onCall: (call: { kind: 'read' | 'write'; offset: number; length: number }) => void,
): SyncBlockStore {
  const readNow = (offset: number, target: Uint8Array) => {
    onCall({ kind: 'read', offset, length: target.length })
    return store.readNow(offset, target)
  }
  const writeNow = (offset: number, source: Uint8Array) => {
    onCall({ kind: 'write', offset, length: source.length })
    return store.writeNow(offset, source)
  }
  return {
    name: store.name,
    get size() {
      return store.size
    },
    readNow,
    writeNow,
    read: async (offset, target) => readNow(offset, target),
    write: async (offset, source) => writeNow(offset, source),
    truncate: (size) => store.truncate(size),
    sync: () => store.sync(),
    close: () => store.close(),
  }
}
