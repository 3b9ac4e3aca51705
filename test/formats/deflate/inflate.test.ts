import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { inflateInto } from '../../../src/formats/deflate/inflate.js'
import { diceFor, runs } from '../../support/amount.js'

/** Text that compresses, with some noise. */
function content(name: string, length: number): Buffer {
  const dice = diceFor(name)
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    const run = Math.min(length - at, 1 + dice.below(300))
    if (dice.below(3) === 0) for (let i = 0; i < run; i++) bytes[at + i] = dice.below(256)
    else bytes.fill(dice.below(2) === 0 ? 'lorem ipsum ' : String.fromCharCode(97 + dice.below(26)), at, at + run)
    at += run
  }
  return bytes
}

describe('inflateInto', () => {
  it('unpacks what zlib packs, at every level and strategy, with bytes behind it', () => {
    for (let i = 0; i < runs(40); i++) {
      const plain = content(`inflate ${i}`, 1 + ((i * 7919) % 70_000))
      const packed = deflateRawSync(plain, { level: i % 10, strategy: i % 5, windowBits: 9 + (i % 7) })
      const output = new Uint8Array(plain.length)
      expect(inflateInto(Buffer.concat([packed, Buffer.from('rubbish behind')]), output)).toBe(true)
      expect(Buffer.compare(output, plain)).toBe(0)
    }
  })

  it('stops when the output is full', () => {
    const plain = content('full', 5000)
    const output = new Uint8Array(1234)
    expect(inflateInto(deflateRawSync(plain), output)).toBe(true)
    expect(Buffer.compare(output, plain.subarray(0, 1234))).toBe(0)
  })

  it('returns false for a short stream, and for data that makes too little', () => {
    const plain = content('short', 5000)
    const packed = deflateRawSync(plain)
    for (let end = 0; end < packed.length - 1; end += 13) {
      expect(inflateInto(packed.subarray(0, end), new Uint8Array(5000))).toBe(false)
    }
    expect(inflateInto(packed, new Uint8Array(5001))).toBe(false)
  })

  it('never throws on damaged data, and never takes long', () => {
    const dice = diceFor('damaged deflate')
    const packed = deflateRawSync(content('damaged', 20_000))
    for (let i = 0; i < runs(1000); i++) {
      const damaged = Uint8Array.from(packed)
      for (let n = 0; n <= dice.below(4); n++) damaged[dice.below(damaged.length)] = dice.below(256)
      expect(typeof inflateInto(damaged, new Uint8Array(20_000))).toBe('boolean')
    }
  })
})
