import { expect, it } from 'vitest'
import { createPartBatch, origin } from '../../../src/images/part-batch.js'
import { openRawImage } from '../../../src/images/raw-image.js'
import { mappedImage } from '../../../src/overlays/bmap/mapped-image.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'

const image = openRawImage(openMemoryStore(new Uint8Array(100).fill(7)))
const mapped = mappedImage(image, Float64Array.from([10, 20, 30, 40]))

it('lists what lies in no stretch as zeros, so that nobody reads it', async () => {
  const found: number[][] = []
  const batch = createPartBatch(2)
  for (let at = 0; at < 100; ) {
    batch.count = 0
    at = await mapped.listParts(at, 100, { depth: 0, copied: 1 }, batch)
    for (let i = 0; i < batch.count; i++) found.push([batch.starts[i]!, batch.ends[i]!, batch.from[i]!])
  }
  const { image, zeros } = origin
  expect(found).toEqual([
    [0, 10, zeros],
    [10, 20, image],
    [20, 30, zeros],
    [30, 40, image],
    [40, 100, zeros],
  ])
})

it('reads zeros there', async () => {
  const bytes = new Uint8Array(30)
  await mapped.read(5, bytes)
  expect([...bytes]).toEqual(Array.from({ length: 30 }, (_, i) => ((i >= 5 && i < 15) || i >= 25 ? 7 : 0)))
})
