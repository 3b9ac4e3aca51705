import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Image } from '../../../src/images/image.js'
import { imagePieces } from '../../../src/images/image-pieces.js'
import { openRawImage } from '../../../src/images/raw-image.js'
import { imageStream } from '../../../src/machine/streams/image-stream.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'

const pieceLength = 256 * 1024

const bytes = Buffer.alloc(5 * pieceLength + 1000, 'the guest sees this; ')

/** An image that notes its reads, and may fail one. */
function makeImage(failAt = -1) {
  const inner = openRawImage(openMemoryStore(bytes))
  const reads: [number, number][] = []
  const image: Image = {
    ...inner,
    async read(offset, target) {
      reads.push([offset, target.length])
      if (offset === failAt) throw new Error('no such sector')
      await setImmediate()
      await inner.read(offset, target)
    },
  }
  return { image, reads }
}

/** Many turns of the event loop: enough for whatever goes on by itself. */
async function rest(): Promise<void> {
  for (let i = 0; i < 100; i++) await setImmediate()
}

describe('imageStream', () => {
  test.each([
    [{}, 0, bytes.length],
    [{ start: 1 }, 1, bytes.length],
    [{ end: pieceLength }, 0, pieceLength],
    [{ start: pieceLength - 1, end: pieceLength + 1 }, pieceLength - 1, pieceLength + 1],
    [{ start: undefined, end: 7 }, 0, 7],
    [{ start: 100, end: 100 }, 100, 100],
    [{ start: bytes.length }, bytes.length, bytes.length],
  ])('has the bytes from start up to end, which is not in it: %j', async (range, start, end) => {
    const { image } = makeImage()
    expect((await buffer(imageStream(image, range))).equals(bytes.subarray(start, end))).toBe(true)
  })

  test('reads long pieces that start at multiples of their length', async () => {
    const { image, reads } = makeImage()
    await buffer(imageStream(image, { start: 5000, end: 3 * pieceLength + 7 }))
    expect(reads).toEqual([
      [5000, pieceLength - 5000],
      [pieceLength, pieceLength],
      [2 * pieceLength, pieceLength],
      [3 * pieceLength, 7],
    ])
  })

  test('reads no more than two pieces before anyone takes them', async () => {
    const { image, reads } = makeImage()
    const stream = imageStream(image)
    await rest()
    expect(reads).toEqual([])
    await once(stream, 'readable')
    await rest()
    expect(reads.length).toBeLessThanOrEqual(2)
    stream.destroy()
    await once(stream, 'close')
  })

  test('is closed after destroy when its read has ended, and leaves the image open', async () => {
    const { image, reads } = makeImage()
    const stream = imageStream(image)
    stream.once('data', () => stream.destroy())
    await once(stream, 'close')
    const count = reads.length
    await rest()
    expect(reads.length).toBe(count)
    const target = Buffer.alloc(4)
    await image.read(0, target)
    expect(target.toString()).toBe('the ')
  })

  test('fails as the image does', async () => {
    const { image } = makeImage(pieceLength)
    await expect(buffer(imageStream(image))).rejects.toThrow('no such sector')
    await image.close()
    await expect(buffer(imageStream(makeClosed()))).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test.each([
    [{ start: '0' }, TypeError],
    [{ end: null }, TypeError],
    [7, TypeError],
    [{ start: -1 }, RangeError],
    [{ end: 0.5 }, RangeError],
    [{ end: bytes.length + 1 }, /no \d+ bytes/],
    [{ start: 2, end: 1 }, /^end: expected a whole number from 2 on, got 1$/],
    [{ start: bytes.length + 1 }, /no 0 bytes at \d+ in an image of \d+ bytes/],
  ])('refuses a range that is none at once: %j', (range, error) => {
    expect(() => imageStream(makeImage().image, range as never)).toThrow(error)
  })

  test.each([[undefined], [null], ['root_fs'], [{}], [Promise.resolve(makeImage().image)]])(
    'refuses what is no image at once, and names the argument: %s',
    (image) => {
      for (const make of [imageStream, imagePieces]) {
        const made = () => make(image as never)
        expect(made).toThrow(TypeError)
        expect(made).toThrow(/^image: expected an image, as openImage resolves to/)
      }
    },
  )
})

function makeClosed(): Image {
  const image = openRawImage(openMemoryStore(bytes))
  void image.close()
  return image
}

describe('imagePieces', () => {
  test('has the same bytes without Node, in memory that the caller may keep', async () => {
    const { image } = makeImage()
    const pieces: Uint8Array[] = []
    for await (const piece of imagePieces(image, { start: 9 })) pieces.push(piece)
    expect(Buffer.concat(pieces).equals(bytes.subarray(9))).toBe(true)
    expect(pieces.length).toBe(6)
  })

  test('refuses a range beyond the image at once', () => {
    const { image } = makeImage()
    for (const range of [{ end: bytes.length + 1 }, { start: bytes.length + 1 }, { start: 2 ** 50, end: 2 ** 51 }]) {
      expect(() => imagePieces(image, range)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }))
    }
    for (const range of [{ start: -1 }, { start: 3, end: 2 }, { end: 1.5 }, { start: Number.NaN }]) {
      expect(() => imagePieces(image, range)).toThrow(RangeError)
    }
    for (const range of [{ start: '1' }, { end: 1n }]) {
      expect(() => imagePieces(image, range as never)).toThrow(TypeError)
    }
  })
})
