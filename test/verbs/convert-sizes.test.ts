import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createQcow2Sink } from '../../src/images/qcow2/qcow2-sink.js'
import { openImage } from '../../src/overlays/open-image.js'
import { openMemoryStore } from '../../src/stores/memory-store.js'
import { convert } from '../../src/verbs/convert/index.js'
import { merge } from '../../src/verbs/merge/index.js'
import { temporaryDirectory } from '../support/paths.js'

const size = 100_100
const wholeSize = 100_352

function scene() {
  const directory = temporaryDirectory()
  const at = (name: string) => path.join(directory, name)
  writeFileSync(at('base'), Buffer.alloc(size, 'base'))
  return at
}

/** Write a qcow2 overlay with one byte more than zero, or none, behind the end of its backing file. */
async function writeImage(file: string, base: string, tail: number): Promise<Buffer> {
  const store = openMemoryStore()
  const backing = { path: Buffer.from(base), format: 'raw' }
  const sink = createQcow2Sink(store, { virtualSize: wholeSize, clusterSize: 4096, backing })
  const data = Buffer.alloc(wholeSize - 98_304, 'new')
  data.fill(0, size - 98_304)
  data[data.length - 1] = tail
  await sink.write(98_304, data)
  await sink.finish()
  writeFileSync(file, store.bytes())
  return data
}

test('a qcow2 image that was rounded up to whole sectors becomes a COW file of the size of its backing file', async () => {
  const at = scene()
  const data = await writeImage(at('disk'), at('base'), 0)
  await convert(at('disk'), at('cow'), { format: 'cow', outputBacking: at('base') })
  const image = await openImage(at('cow'))
  expect(image.virtualSize).toBe(size)
  await image.close()
  await merge(at('cow'), at('merged'))
  const expected = Buffer.concat([readFileSync(at('base')).subarray(0, 98_304), data.subarray(0, size - 98_304)])
  expect(readFileSync(at('merged')).equals(expected)).toBe(true)
  await convert(at('cow'), at('again'), { format: 'qcow2', outputBacking: at('base') })
  await convert(at('again'), at('cow2'), { format: 'cow', outputBacking: at('base') })
  await merge(at('cow2'), at('merged2'))
  expect(readFileSync(at('merged2')).equals(expected)).toBe(true)
})

test('not when it has data beyond the end of the backing file, or is longer', async () => {
  const at = scene()
  await writeImage(at('disk'), at('base'), 1)
  const run = () => convert(at('disk'), at('cow'), { format: 'cow', outputBacking: at('base') })
  await expect(run()).rejects.toMatchObject({ code: 'BACKING_SIZE' })
  await writeImage(at('disk'), at('base'), 0)
  writeFileSync(at('base'), Buffer.alloc(size - 512, 'base'))
  await expect(run()).rejects.toMatchObject({ code: 'BACKING_SIZE' })
})
