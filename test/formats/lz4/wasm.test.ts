import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodeLz4Block } from '../../../src/formats/lz4/decode-block.js'
import { longestBlock } from '../../../src/formats/lz4/layout.js'
import { accelerationSlack, createAccelerator, lz4Module } from '../../../src/formats/lz4/wasm/accelerator.js'
import { assembled } from '../../../src/formats/lz4/wasm/assemble.js'
import { XxHash32, xxHash32 } from '../../../src/formats/lz4/xxhash32.js'
import { createBlockCodec } from '../../../src/machine/workers/block-codec.js'
import { amount, diceFor } from '../../support/amount.js'
import { mixedBytes, noise } from '../../support/byte-streams.js'

const compress = createBlockCodec(lz4Module())
const outputLength = 4000
const historyLength = 3000
const inputStart = historyLength + outputLength + accelerationSlack
const accelerator = createAccelerator(inputStart + longestBlock(outputLength))!

function packed(bytes: Uint8Array): Uint8Array | null {
  const output = new Uint8Array(longestBlock(bytes.length))
  const length = compress(bytes, output)
  expect(length === 0 || length < bytes.length).toBe(true)
  return length === 0 ? null : output.subarray(0, length)
}

/** Unpack a block twice, by JavaScript and by the module, and demand the same. @returns the output, or null for damage */
function unpacked(block: Uint8Array, history: Uint8Array, room = outputLength): Uint8Array | null {
  const before = Buffer.alloc(accelerator.bytes.length)
  before.set(history, historyLength - history.length)
  before.set(block, inputStart)
  const places = {
    inputStart,
    inputEnd: inputStart + block.length,
    outputStart: historyLength,
    outputEnd: historyLength + room,
    historyStart: historyLength - history.length,
  }
  const plain = Buffer.from(before)
  const end = decodeLz4Block(plain, places)
  accelerator.bytes.set(before)
  expect(accelerator.decode(places)).toBe(end)
  const outside = (bytes: Uint8Array) => [bytes.slice(0, historyLength), bytes.slice(inputStart)]
  expect(Buffer.concat(outside(accelerator.bytes)).equals(Buffer.concat(outside(before)))).toBe(true)
  if (end < 0) return null
  const result = Buffer.from(accelerator.bytes.subarray(historyLength, end))
  expect(result.equals(plain.subarray(historyLength, end))).toBe(true)
  return result
}

const none = new Uint8Array(0)

describe('the module', () => {
  it('is the one that the sources make', async () => {
    const file = new URL('../../../src/formats/lz4/wasm/code.ts', import.meta.url)
    expect(readFileSync(file, 'utf8')).toBe(await assembled())
  })

  it('computes the checksum, of bytes in its memory and elsewhere', () => {
    const bytes = noise(diceFor('wasm xxhash'), 200_000)
    for (const length of [0, 15, 16, 1023, 1024, 1056, 65_472, 65_473, 131_000, 200_000]) {
      const part = bytes.subarray(0, length)
      expect(xxHash32(part, accelerator), String(length)).toBe(xxHash32(part))
    }
    accelerator.bytes.set(bytes.subarray(0, 5000))
    const hash = new XxHash32(accelerator)
    for (const [from, to] of [
      [0, 7],
      [7, 2345],
      [2345, 5000],
    ])
      hash.update(accelerator.bytes.subarray(from, to))
    expect(hash.digest()).toBe(xxHash32(bytes.subarray(0, 5000)))
  })
})

describe('compress', () => {
  it('makes blocks of any bytes of any length that unpack to them', () => {
    const dice = diceFor('wasm compress')
    for (let length = 0; length < amount({ quick: 120, deep: 4000 }); length++) {
      for (const bytes of [mixedBytes(dice, length), Buffer.alloc(length, 7), Buffer.alloc(length, 'abc')]) {
        const block = packed(bytes)
        if (block !== null) expect(Buffer.from(bytes).equals(unpacked(block, none)!), `${length}`).toBe(true)
      }
    }
  })

  it('keeps the last bytes as the format demands', () => {
    // 12 bytes before the end no match may start, and the last 5 are literals.
    for (let length = 13; length < 60; length++) {
      const block = packed(Buffer.alloc(length))
      if (block === null) continue
      expect(block.at(-6)! >>> 4, `${length}`).toBeGreaterThanOrEqual(5)
    }
    expect(packed(Buffer.alloc(12))).toBeNull()
  })

  it('gives up on what does not get shorter, and finds matches far away', () => {
    const dice = diceFor('wasm noise')
    const bytes = noise(dice, 65_000)
    expect(packed(bytes)).toBeNull()
    expect(packed(Buffer.concat([bytes, bytes]))!.length).toBeLessThan(66_000)
    // Further away than a distance can tell.
    expect(packed(Buffer.concat([bytes, noise(dice, 600), bytes]))).toBeNull()
  })
})

describe('decode', () => {
  it('repeats with every distance and length', () => {
    for (let distance = 1; distance < 40; distance++) {
      for (let length = 4; length < 60; length += 5) {
        const history = noise(diceFor(`${distance}`), distance)
        const more = length - 4 < 15 ? [] : [length - 4 - 15]
        const block = Uint8Array.of(Math.min(length - 4, 15), distance, 0, ...more, 0x50, 1, 2, 3, 4, 5)
        const result = unpacked(block, history)!
        expect(result.length).toBe(length + 5)
        for (let i = 0; i < length; i++) if (result[i] !== history[i % distance]) expect(i).toBe(-1)
        expect(unpacked(block, history.subarray(1))).toBeNull()
        expect(unpacked(block, history, length + 4)).toBeNull()
      }
    }
  })

  it('says the same as JavaScript of damaged blocks, and touches nothing but the output', () => {
    const dice = diceFor('wasm damage')
    let damaged = 0
    const rounds = amount({ quick: 1200, deep: 300_000 })
    for (let round = 0; round < rounds; round++) {
      const block = Buffer.from(packed(mixedBytes(dice, 200 + dice.below(outputLength - 200))) ?? [0x10, 1])
      for (let i = dice.below(4); i > 0; i--) block[dice.below(block.length)] = dice.below(256)
      const history = noise(dice, dice.below(2) * dice.below(historyLength))
      const cut = dice.below(4) === 0 ? dice.below(block.length) : block.length
      const room = dice.below(4) === 0 ? dice.below(outputLength) : outputLength
      if (unpacked(block.subarray(0, cut), history, room) === null) damaged++
    }
    expect(damaged).toBeGreaterThan(rounds / 10)
    expect(damaged).toBeLessThan(rounds)
  })

  it('says the same of noise', () => {
    const dice = diceFor('wasm decode noise')
    for (let round = 0; round < amount({ quick: 300, deep: 100_000 }); round++) {
      unpacked(noise(dice, dice.below(300)), noise(dice, historyLength))
    }
  })
})
