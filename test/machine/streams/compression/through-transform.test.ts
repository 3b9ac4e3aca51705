import zlib from 'node:zlib'
import { expect, it } from 'vitest'
import { throughTransform } from '../../../../src/machine/streams/compression/through-transform.js'

it('gives what is behind the end of the data, when the stream is closed before the writer sees its end', async () => {
  const packed = zlib.gzipSync('content')
  const zeros = Buffer.alloc(3)
  const stream = zlib.createGunzip()
  const closed = new Promise((resolve) => stream.on('close', resolve))
  const listen = stream.once.bind(stream) as (name: string, listener: () => void) => typeof stream
  const write = stream.write.bind(stream) as (piece: Uint8Array, done: () => void) => boolean
  // All that tells the writer of the end comes after the stream is closed.
  Object.assign(stream, {
    once: (name: string, listener: () => void) =>
      name === 'end'
        ? listen(name, () => void closed.then(listener))
        : name === 'close'
          ? stream
          : listen(name, listener),
    write: (piece: Uint8Array, done: () => void) =>
      write(piece, () => (piece === zeros ? void closed.then(done) : done())),
  })
  const source = async function* () {
    yield* [packed, zeros, packed]
  }
  const left: Uint8Array[] = []
  const pieces: Uint8Array[] = []
  for await (const piece of throughTransform(source(), stream, (bytes) => left.push(bytes))) pieces.push(piece)
  expect(String(Buffer.concat(pieces))).toBe('content')
  expect(Buffer.concat(left)).toEqual(Buffer.concat([zeros, packed]))
})
