import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { openFileStore } from '../../../src/machine/stores/file-store.js'
import { digestFile } from '../../../src/machine/workers/digest-file.js'
import { sha256 } from '../../cli/scene.js'
import { temporaryDirectory } from '../../support/paths.js'

/** A file of data between holes. A file of this size gets a thread of its own. */
function makeFile(size: number): { file: string; stretches: Float64Array } {
  const file = path.join(temporaryDirectory(), 'file')
  const stretches = Float64Array.of(4096, 8192, 1_000_000, 1_400_003, size - 5, size)
  fs.writeFileSync(file, '')
  fs.truncateSync(file, size)
  const fd = fs.openSync(file, 'r+')
  for (let i = 0; i < stretches.length; i += 2) {
    fs.writeSync(fd, Buffer.alloc(stretches[i + 1]! - stretches[i]!, `data ${i} `), 0, undefined, stretches[i]!)
  }
  fs.closeSync(fd)
  return { file, stretches }
}

describe.each([
  ['here', 2_000_000],
  ['in a thread', 33 * 2 ** 20],
])('a digest %s', (_where, size) => {
  it('is that of the whole file, with its holes', async () => {
    const { file, stretches } = makeFile(size)
    const store = await openFileStore(file, 'read')
    const positions: number[] = []
    const onPosition = (position: number) => positions.push(position)
    expect(await digestFile(store, stretches, { onPosition })).toBe(sha256(file))
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    await store.close()
  })

  it('of a file that was cut fails', async () => {
    const { file, stretches } = makeFile(size)
    const store = await openFileStore(file, 'read')
    fs.truncateSync(file, 1_200_000)
    await expect(digestFile(store, stretches, {})).rejects.toMatchObject({ code: 'SHORT_READ' })
    await store.close()
  })

  it('stops at its signal', async () => {
    const { file, stretches } = makeFile(size)
    const store = await openFileStore(file, 'read')
    const signal = AbortSignal.abort()
    await expect(digestFile(store, stretches, { signal })).rejects.toMatchObject({ code: 'INTERRUPTED' })
    await store.close()
  })
})

it('a digest in a thread stops while it is on its way', async () => {
  const { file, stretches } = makeFile(2 ** 34)
  const store = await openFileStore(file, 'read')
  const signal = AbortSignal.timeout(30)
  await expect(digestFile(store, stretches, { signal })).rejects.toMatchObject({ code: 'INTERRUPTED' })
  await store.close()
})
