import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type CompressOptions, compressStream } from '../../../../src/machine/streams/compression/compress-stream.js'
import { decompressStream } from '../../../../src/machine/streams/compression/decompress-stream.js'
import { diceFor } from '../../../support/amount.js'
import { collect, inPieces, mixedBytes } from '../../../support/byte-streams.js'

const hasZstd = 'createZstdCompress' in zlib
const formats: CompressOptions['format'][] = ['none', 'lz4', 'gzip', ...(hasZstd ? (['zstd'] as const) : [])]

const compress = (bytes: Uint8Array, options: CompressOptions) => collect(compressStream(inPieces(bytes), options))
const unpack = (bytes: Uint8Array, length?: number) => collect(decompressStream(inPieces(bytes, length)))
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fine',
    (error) => error.code ?? String(error),
  )

/** Two joined outputs are whole, every cut of one is an error, and so is anything after it. */
describe.each(formats)('%s', (format) => {
  const dice = diceFor(`compression ${format}`)
  const lengths = [0, 1, 12, 13, 65_535, 1024 * 1024, 2_500_000]

  it('gives back what went in, by one thread and by several', async () => {
    for (const length of lengths) {
      const bytes = mixedBytes(dice, length)
      const packed = await compress(bytes, { format, threads: 1 + dice.below(3), contentSize: length })
      expect(bytes.equals(await unpack(packed, 1 + dice.below(100_000))), `${length}`).toBe(true)
      if (length === 2_500_000 && format !== 'none') expect(packed.length).toBeLessThan(2_000_000)
    }
  })

  it.skipIf(format === 'none')('reads joined outputs, and refuses cut ones and other data behind', async () => {
    const bytes = mixedBytes(dice, 3000)
    const packed = await compress(bytes, { format, threads: 1 })
    for (const length of [1, 7, packed.length, 2 * packed.length]) {
      expect(await unpack(Buffer.concat([packed, packed]), length)).toEqual(Buffer.concat([bytes, bytes]))
      for (const tail of ['x', 'garbage of some length']) {
        const code_ = await code(unpack(Buffer.concat([packed, Buffer.from(tail)]), length))
        expect(['BAD_COMPRESSED', 'TRUNCATED_COMPRESSED'], tail).toContain(code_)
      }
    }
    for (let end = 4; end < packed.length; end += end < 40 || end > packed.length - 12 ? 1 : 97) {
      expect(await code(unpack(packed.subarray(0, end))), `${end}`).toBe('TRUNCATED_COMPRESSED')
      const joined = Buffer.concat([packed, packed.subarray(0, end)])
      expect(await code(unpack(joined, 1 + dice.below(joined.length))), `joined ${end}`).toBe('TRUNCATED_COMPRESSED')
    }
  })
})

describe('streams', () => {
  it('reads gzip with zeros behind it, and refuses data behind them', async () => {
    const packed = zlib.gzipSync('content')
    const zeros = Buffer.alloc(700)
    for (const length of [1, 100, 10_000]) {
      expect(String(await unpack(Buffer.concat([packed, zeros]), length))).toBe('content')
      expect(await code(unpack(Buffer.concat([packed, zeros, packed]), length))).toBe('BAD_COMPRESSED')
    }
  })

  it.skipIf(hasZstd)('refuses zstd where Node lacks it, and says what to do', async () => {
    const frame = Buffer.from('28b52ffd0401190000780aeeb0c9', 'hex')
    await expect(unpack(frame)).rejects.toMatchObject({ code: 'NO_CODEC', hint: expect.stringContaining('zstdcat') })
    expect(() => compressStream(inPieces(frame), { format: 'zstd' })).toThrow(/cannot write zstd/)
  })

  it('refuses other compressions by name', async () => {
    const xz = Buffer.from('fd377a585a000004', 'hex')
    await expect(unpack(xz)).rejects.toMatchObject({ code: 'NO_CODEC', hint: expect.stringContaining('xzcat') })
  })

  it('ends when its consumer stops, its signal fires or its source fails', async () => {
    const content = mixedBytes(diceFor('endless'), 100_000)
    for (const format of formats) {
      let closed = 0
      async function* endless(failure?: Error) {
        try {
          for (let i = 0; ; i++) {
            if (failure !== undefined && i === 50) throw failure
            yield content
          }
        } finally {
          closed++
        }
      }
      for await (const piece of compressStream(endless(), { format, threads: 2 })) if (piece.length > 1000) break
      const control = new AbortController()
      const aborted = compressStream(endless(), { format, threads: 2, signal: control.signal })
      setTimeout(() => control.abort(), 30)
      expect(await code(collect(aborted, Number.POSITIVE_INFINITY)), format).toBe('INTERRUPTED')
      await expect(collect(compressStream(endless(new Error('source')), { format, threads: 2 }))).rejects.toThrow(
        'source',
      )
      expect(closed, format).toBe(3)
    }
  })

  it('refuses wrong options at once', () => {
    const start = (options: object) => () => compressStream(inPieces(Buffer.alloc(1)), options as CompressOptions)
    expect(start({ format: 'xz' })).toThrow(RangeError)
    expect(start({ format: 'lz4', level: 9 })).toThrow(RangeError)
    expect(start({ format: 'gzip', level: 10 })).toThrow(RangeError)
    expect(start({ format: 'lz4', threads: 0 })).toThrow(RangeError)
    expect(start({})).toThrow(TypeError)
  })

  it('fails when the source has another length than it should', async () => {
    await expect(compress(Buffer.alloc(10), { format: 'lz4', contentSize: 11 })).rejects.toThrow(RangeError)
  })
})
