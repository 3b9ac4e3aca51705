import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { parseQcow2Header } from '../../src/formats/qcow2/index.js'
import type { Image } from '../../src/images/image.js'
import { createPartBatch, isPartLister, origin } from '../../src/images/part-batch.js'
import { openQcow2Image } from '../../src/images/qcow2/qcow2-image.js'
import { createQcow2Sink } from '../../src/images/qcow2/qcow2-sink.js'
import { openRawImage } from '../../src/images/raw-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { amount, diceFor } from '../support/amount.js'
import { makeSinkScene } from '../support/qcow2-sink-scene.js'

type Part = [start: number, end: number, from: number, offset: number]

function push(parts: Part[], [start, end, from, offset]: Part): void {
  const last = parts.at(-1)
  const joins = last?.[1] === start && last[2] === from && (from < 0 || last[3] + start - last[0] === offset)
  if (joins) last[1] = end
  else parts.push([start, end, from, offset])
}

/** The parts that `extents` tells of. */
async function partsByExtents(image: Image, copied: number): Promise<Part[]> {
  const parts: Part[] = []
  for await (const { start, length, depth, data, zero, offset } of image.extents(0, image.virtualSize)) {
    const isStored = data && !zero
    const above = isStored ? (offset === undefined ? origin.image : depth) : origin.zeros
    const from = depth >= copied ? origin.below : above
    push(parts, [start, start + length, from, from < 0 ? 0 : offset!])
  }
  return parts
}

async function partsByList(image: Image, copied: number, capacity: number): Promise<Part[]> {
  if (!isPartLister(image)) expect.unreachable()
  const batch = createPartBatch(capacity)
  const parts: Part[] = []
  for (let at = 0; at < image.virtualSize; ) {
    batch.count = 0
    at = await image.listParts(at, image.virtualSize, { depth: 0, copied }, batch)
    for (let i = 0; i < batch.count; i++) {
      push(parts, [batch.starts[i]!, batch.ends[i]!, batch.from[i]!, batch.offsets[i]!])
    }
  }
  return parts
}

describe('listParts', () => {
  it('says the same as extents, whatever fits into a batch', async () => {
    for (let i = 0; i < amount({ quick: 20, deep: 500 }); i++) {
      const dice = diceFor(`list parts ${i}`)
      const scene = makeSinkScene(dice)
      const store = openMemoryStore(new Uint8Array(0), 'new')
      const compress = scene.isCompressed
        ? (cluster: Uint8Array) => deflateRawSync(cluster, { windowBits: 12 })
        : undefined
      await scene.fill(createQcow2Sink(store, { ...scene.options, compress }))
      const bytes = store.bytes()
      const header = parseQcow2Header(bytes.subarray(0, 4136), { fileSize: bytes.length })
      const below = scene.backing === null ? null : openRawImage(openMemoryStore(scene.backing))
      const image = openQcow2Image(openMemoryStore(bytes), header, below)
      for (const copied of [1, Number.POSITIVE_INFINITY]) {
        const expected = await partsByExtents(image, copied)
        for (const capacity of [1, 3, 1024]) {
          expect({ name: scene.name, parts: await partsByList(image, copied, capacity) }).toEqual({
            name: scene.name,
            parts: expected,
          })
        }
      }
    }
  })
})
