import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { parseQcow2Header } from '../../../src/formats/qcow2/index.js'
import { openQcow2Image } from '../../../src/images/qcow2/qcow2-image.js'
import { createQcow2Sink } from '../../../src/images/qcow2/qcow2-sink.js'
import { openRawImage } from '../../../src/images/raw-image.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'
import { amount, diceFor } from '../../support/amount.js'
import { makeSinkScene } from '../../support/qcow2-sink-scene.js'
import { collect, expectTiles } from '../oracle.js'

const pack = (cluster: Uint8Array) => deflateRawSync(cluster, { windowBits: 12 })

async function readBack(file: Uint8Array, backing: Uint8Array | null): Promise<Uint8Array> {
  const store = openMemoryStore(file, 'new')
  const header = parseQcow2Header(file.subarray(0, 4136), { fileSize: file.length })
  const below = backing === null ? null : openRawImage(openMemoryStore(backing))
  const image = openQcow2Image(store, header, below)
  const bytes = new Uint8Array(image.virtualSize)
  await image.read(0, bytes)
  expectTiles(await collect(image.extents(0, image.virtualSize)), 0, image.virtualSize)
  return bytes
}

describe('createQcow2Sink', () => {
  it('stores what it is given, in clusters of every size, compressed or not, with and without a backing file', async () => {
    for (let i = 0; i < amount({ quick: 20, deep: 500 }); i++) {
      const dice = diceFor(`qcow2 sink ${i}`)
      const scene = makeSinkScene(dice)
      const store = openMemoryStore(new Uint8Array(0), 'new')
      const sink = createQcow2Sink(store, { ...scene.options, compress: scene.isCompressed ? pack : undefined })
      await scene.fill(sink)
      const same = Buffer.compare(await readBack(store.bytes(), scene.backing), scene.content) === 0
      expect({ name: scene.name, same }).toEqual({ name: scene.name, same: true })
    }
  })

  it('marks more clusters as zeros than it does in one go, and lets the event loop run between them', async () => {
    const virtualSize = (2 ** 18 + 3) * 512
    const store = openMemoryStore(new Uint8Array(0), 'new')
    const backing = { path: new TextEncoder().encode('below'), format: 'raw' }
    const sink = createQcow2Sink(store, { virtualSize, clusterSize: 512, backing })
    const marked = sink.zero(512, virtualSize - 512)
    let turns = 0
    setImmediate(() => turns++)
    await marked
    expect(turns).toBe(1)
    await sink.finish()
    const file = store.bytes()
    const header = parseQcow2Header(file.subarray(0, 4136), { fileSize: file.length })
    const image = openQcow2Image(store, header, openRawImage(openMemoryStore(new Uint8Array(512).fill(7))))
    const zeros = (await collect(image.extents(512, virtualSize - 512))).filter(
      ({ zero, depth }) => zero && depth === 0,
    )
    expect(zeros.reduce((sum, { length }) => sum + length, 0)).toBe(virtualSize - 512)
  })

  it('writes the header last', async () => {
    const store = openMemoryStore(new Uint8Array(0), 'new')
    const sink = createQcow2Sink(store, { virtualSize: 2 ** 20 })
    await sink.write(0, new Uint8Array(65_536).fill(7))
    expect(
      store
        .bytes()
        .subarray(0, 65_536)
        .every((byte) => byte === 0),
    ).toBe(true)
    await sink.finish()
    expect(store.bytes()[0]).toBe(0x51)
  })

  it('stores nothing for an image that nobody writes', async () => {
    const store = openMemoryStore(new Uint8Array(0), 'new')
    await createQcow2Sink(store, { virtualSize: 2 ** 40 }).finish()
    expect(store.size).toBe(4 * 65_536)
  })

  it('refuses cluster sizes that do not exist, an image too large for its clusters, and a path too long', () => {
    const make = (options: object) => () => createQcow2Sink(openMemoryStore(), { virtualSize: 2 ** 40, ...options })
    expect(make({ clusterSize: 1000 })).toThrow(RangeError)
    expect(make({ clusterSize: 2 ** 22 })).toThrow(RangeError)
    expect(make({ clusterSize: 512 })).toThrow(expect.objectContaining({ code: 'BAD_VIRTUAL_SIZE' }))
    const backing = { path: new Uint8Array(1024).fill(97), format: 'raw' }
    expect(make({ backing })).toThrow(expect.objectContaining({ code: 'PATH_TOO_LONG' }))
  })
})
