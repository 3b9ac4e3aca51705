import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type RunningDigest, StreamDigests } from '../../../src/machine/workers/stream-digest.js'

/** More than is digested without a thread. */
const long = 2 ** 30

async function addZeros(digest: RunningDigest, length: number): Promise<void> {
  for (let left = length; left > 0; ) left -= await digest.addZeros(left)
}

async function using(run: (digests: StreamDigests) => Promise<void>): Promise<void> {
  const digests = new StreamDigests()
  try {
    await run(digests)
  } finally {
    await digests.close()
  }
}

describe('a digest in a thread', () => {
  it('is that of all bytes and zeros in turn, one digest after another', () =>
    using(async (digests) => {
      const room = Buffer.alloc(3_000_000)
      for (let round = 0; round < 2; round++) {
        const expected = createHash('sha256')
        const digest = digests.begin(long)
        const steps = [0, 70_000_000, 0, 1, 4096, 5, 3_000_000, 7, 1_048_576, 0, 1_048_577, 2_000_000]
        for (let i = 2 * round; i < steps.length; i++) {
          const length = steps[i]!
          if (i % 2 === 0) {
            const bytes = room.subarray(0, length).fill(i + 1)
            expected.update(bytes)
            await digest.update(bytes)
            // The memory is used again.
            bytes.fill(0)
          } else {
            expected.update(Buffer.alloc(length))
            await addZeros(digest, length)
          }
        }
        expect(await digest.hex()).toBe(expected.digest('hex'))
      }
    }))

  it('takes very many parts', () =>
    using(async (digests) => {
      const expected = createHash('sha256')
      const digest = digests.begin(long)
      for (let i = 0; i < 10_000; i++) {
        expected.update(Buffer.from([i, 0, 0]))
        await digest.update(Uint8Array.of(i))
        await addZeros(digest, 2)
      }
      expect(await digest.hex()).toBe(expected.digest('hex'))
    }))

  it('of nothing is the known one, with and without a thread', () =>
    using(async (digests) => {
      const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
      for (const length of [0, long]) expect(await digests.begin(length).hex()).toBe(empty)
    }))

  it('fails when the thread has ended', async () => {
    const digests = new StreamDigests()
    const digest = digests.begin(long)
    await digests.close()
    await expect(digest.hex()).rejects.toThrow('has ended')
  })
})
