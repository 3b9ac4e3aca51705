import { describe, expect, it } from 'vitest'
import { InputReader } from '../../../src/bytes/input-reader.js'
import { decodeLz4, encodeLz4, measureLz4 } from '../../../src/formats/lz4/index.js'
import { XxHash32, xxHash32 } from '../../../src/formats/lz4/xxhash32.js'
import { createBlockCodec } from '../../../src/machine/workers/block-codec.js'
import { amount, diceFor } from '../../support/amount.js'
import { collect, inPieces, mixedBytes, noise } from '../../support/byte-streams.js'

const codec = createBlockCodec()

/** A frame with blocks of 64 KiB, by the codec of the package lz4. */
function encode(bytes: Uint8Array, contentSize?: number): Promise<Buffer> {
  const compressBlock = (block: Uint8Array): Uint8Array => {
    const output = new Uint8Array(block.length + 300)
    const length = codec(block, output)
    return length === 0 ? block : output.subarray(0, length)
  }
  return collect(encodeLz4(inPieces(bytes, 5000), { compressBlock, blockSize: 65_536, contentSize }))
}

const decode = (bytes: Uint8Array, length?: number) => collect(decodeLz4(inPieces(bytes, length)), 2 ** 25)
const outcome = (bytes: Uint8Array) => decode(bytes).catch((error) => error.code ?? String(error))

/** A frame by hand: its header with the right check byte, then these bytes. */
function frame(header: number[], body: string): Buffer {
  const check = (xxHash32(Uint8Array.from(header)) >>> 8) & 0xff
  return Buffer.concat([Buffer.from('04224d18', 'hex'), Buffer.from([...header, check]), Buffer.from(body, 'hex')])
}

const end = '00000000'
describe('xxHash32', () => {
  it('has the values of the reference', () => {
    const values: [string, number][] = [
      ['', 0x02cc5d05],
      ['Nobody inspects the spammish repetition', 0xe2293b2f],
    ]
    for (const [text, value] of values) expect(xxHash32(Buffer.from(text))).toBe(value)
  })

  it('does not depend on the pieces', () => {
    const bytes = noise(diceFor('xxhash'), 200)
    for (let cut = 0; cut <= bytes.length; cut++) {
      const hash = new XxHash32()
      hash.update(bytes.subarray(0, cut))
      hash.update(bytes.subarray(cut))
      expect(hash.digest()).toBe(xxHash32(bytes))
    }
  })
})

describe('frames', () => {
  it('are read by hand-made parts: linked blocks, stored ones, skippable frames, legacy frames', async () => {
    // A block of 20 times "a", then in the next one a match that reaches back into it.
    const first = '0a000000' + '1a61' + '0100' + '50' + '6161616161'
    const second = '09000000' + '00' + '0500' + '50' + '6262626262'
    const expected = 'a'.repeat(1 + 14 + 5) + 'a'.repeat(4) + 'b'.repeat(5)
    expect(String(await decode(frame([0x40, 0x40], first + second + end)))).toBe(expected)
    // With independent blocks the same match is damage.
    expect(await outcome(frame([0x60, 0x40], first + second + end))).toBe('BAD_COMPRESSED')
    const stored = frame([0x60, 0x40], `0300008061626300000080${end}`)
    const skippable = Buffer.from('5f2a4d18' + '02000000' + '0102', 'hex')
    const legacy = Buffer.from(`02214c18${first}`, 'hex')
    for (const length of [1, 3, 1000]) {
      const joined = Buffer.concat([skippable, stored, legacy, skippable, stored, legacy, legacy])
      const a20 = 'a'.repeat(20)
      expect(String(await decode(joined, length))).toBe(`abc${a20}abc${a20}${a20}`)
    }
  })

  it('are refused when a field is wrong', async () => {
    const three = `03000080616263${end}`
    const sized = (size: number) => frame([0x68, 0x40, size, 0, 0, 0, 0, 0, 0, 0], three)
    const refused: [string, Buffer, string][] = [
      ['another version', frame([0x20, 0x40], end), 'BAD_COMPRESSED'],
      ['a reserved flag', frame([0x62, 0x40], end), 'BAD_COMPRESSED'],
      ['a reserved bit', frame([0x60, 0x41], end), 'BAD_COMPRESSED'],
      ['an unknown block size', frame([0x60, 0x30], end), 'BAD_COMPRESSED'],
      ['a dictionary', frame([0x61, 0x40, 1, 2, 3, 4], end), 'NO_CODEC'],
      ['a size of 2^60', frame([0x68, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x10], end), 'BAD_COMPRESSED'],
      ['a block above the block size', frame([0x60, 0x40], '01000100'), 'BAD_COMPRESSED'],
      ['a block of 2 GiB', frame([0x60, 0x70], 'ffffffff'), 'BAD_COMPRESSED'],
      ['less than the content size', sized(4), 'BAD_COMPRESSED'],
      ['more than the content size', sized(2), 'BAD_COMPRESSED'],
      ['a wrong checksum of a block', frame([0x70, 0x40], `0300008061626300000000${end}`), 'BAD_COMPRESSED'],
      ['a wrong checksum of the content', frame([0x64, 0x40], `03000080616263${end}00000000`), 'BAD_COMPRESSED'],
      ['no end mark', frame([0x60, 0x40], '03000080616263'), 'TRUNCATED_COMPRESSED'],
      ['distance 0', frame([0x60, 0x40], `05000000146100005061${end}`), 'BAD_COMPRESSED'],
      ['a match at the end', frame([0x60, 0x40], `04000000146101${'00'}${end}`), 'BAD_COMPRESSED'],
      ['a length without its end', frame([0x60, 0x40], `03000000f0ffff${end}`), 'BAD_COMPRESSED'],
      ['a skippable frame that is cut', Buffer.from('502a4d18ffffffff00', 'hex'), 'TRUNCATED_COMPRESSED'],
      ['a legacy block of 0 bytes', Buffer.from('02214c1800000000', 'hex'), 'BAD_COMPRESSED'],
      ['something else', Buffer.from('not LZ4 at all'), 'BAD_COMPRESSED'],
    ]
    for (const [what, bytes, code] of refused) expect(await outcome(bytes), what).toBe(code)
    const bad = Buffer.from(frame([0x60, 0x40], end))
    bad[6]! ^= 1
    expect(await outcome(bad)).toBe('BAD_COMPRESSED')
  })

  it('unpack to at most the block size', async () => {
    // One "a", then a match of 70,000 more.
    const long = `1f610100${'ff'.repeat(275)}00${'50'}${'61'.repeat(5)}`
    const length = (long.length / 2).toString(16).padStart(4, '0')
    const size = `${length.slice(2)}${length.slice(0, 2)}0000`
    expect(await outcome(frame([0x60, 0x40], size + long + end))).toBe('BAD_COMPRESSED')
    expect(await outcome(frame([0x60, 0x50], size + long + end))).toHaveLength(1 + 15 + 275 * 255 + 4 + 5)
  })

  it('come back as they were, whatever is in them', async () => {
    const dice = diceFor('lz4 round trip')
    for (let i = 0; i < amount({ quick: 25, deep: 2000 }); i++) {
      const bytes = mixedBytes(dice, dice.below(amount({ quick: 150_000, deep: 400_000 })))
      const packed = await encode(bytes, dice.below(2) === 0 ? bytes.length : undefined)
      expect(bytes.equals(await decode(packed, 1 + dice.below(90_000)))).toBe(true)
    }
  })

  it('are never read wrong when they are damaged', async () => {
    const dice = diceFor('lz4 corruption')
    const bytes = mixedBytes(dice, 150_000)
    const packed = await encode(bytes, bytes.length)
    for (let i = 0; i < amount({ quick: 100, deep: 5000 }); i++) {
      const damaged = Buffer.from(packed)
      for (let n = 1 + dice.below(3); n > 0; n--) {
        // Half of them in headers, where lengths are.
        const at = dice.below(2) === 0 ? dice.below(40) : dice.below(damaged.length)
        damaged[at] = dice.below(256)
      }
      const cut = dice.below(4) === 0 ? damaged.subarray(0, dice.below(damaged.length)) : damaged
      const result = await outcome(cut)
      if (typeof result !== 'string') expect(result.length === 0 ? cut.length === 0 : bytes.equals(result)).toBe(true)
      else expect(['BAD_COMPRESSED', 'TRUNCATED_COMPRESSED', 'NO_CODEC']).toContain(result)
    }
  })

  it('are measured by their headers', async () => {
    const bytes = mixedBytes(diceFor('measure'), 200_000)
    const known = await encode(bytes, bytes.length)
    const unknown = await encode(bytes)
    const measure = (...parts: Buffer[]) => measureLz4(new InputReader(inPieces(Buffer.concat(parts), 64)), 'x', 100)
    expect(await measure(known, Buffer.from('502a4d18020000000102', 'hex'), known)).toBe(400_000)
    expect(await measure(known, unknown)).toBe(null)
    expect(await measure(...Array(30).fill(known))).toBe(null)
    await expect(measure(known.subarray(0, -1))).rejects.toMatchObject({ code: 'TRUNCATED_COMPRESSED' })
    await expect(measure(known, Buffer.from('junk'))).rejects.toMatchObject({ code: 'BAD_COMPRESSED' })
  })
})
