// xxHash32 with seed 0.  Source: xxHash fast digest algorithm 0.1.1, "XXH32 algorithm description", cyan4973.github.io

import type { Lz4Accelerator } from './wasm/accelerator.js'

const prime1 = 0x9e3779b1 | 0
const prime2 = 0x85ebca77 | 0
const prime3 = 0xc2b2ae3d | 0
const prime4 = 0x27d4eb2f
const prime5 = 0x165667b1

/** Bytes that go into the four sums at once. */
const stripeLength = 16

/** For fewer bytes, the way to the accelerator and back takes longer. */
const acceleratedLength = 1024

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function round(sum: number, word: number): number {
  return Math.imul(rotate((sum + Math.imul(word, prime2)) | 0, 13), prime1)
}

/** Computes the checksum of a stream, piece by piece. */
export class XxHash32 {
  private readonly sums = Int32Array.of(prime1 + prime2, prime2, 0, -prime1)
  /** Bytes that do not fill a stripe yet. */
  private readonly rest = new Uint8Array(stripeLength)
  private restLength = 0
  /** Bytes so far, modulo 2^32. */
  private length = 0
  private isLong = false
  private readonly accelerator: Lz4Accelerator | null

  constructor(accelerator: Lz4Accelerator | null = null) {
    this.accelerator = accelerator
  }

  update(bytes: Uint8Array): void {
    this.length = (this.length + bytes.length) % 2 ** 32
    let at = 0
    if (this.restLength > 0) {
      at = Math.min(stripeLength - this.restLength, bytes.length)
      this.keep(bytes, 0, at)
      if (this.restLength < stripeLength) return
      this.addStripes(this.rest, 0, stripeLength)
      this.restLength = 0
    }
    const end = bytes.length - ((bytes.length - at) % stripeLength)
    if (end > at) this.addStripes(bytes, at, end)
    this.keep(bytes, end, bytes.length)
  }

  /** The checksum of all bytes so far: 0 to 2^32 - 1. */
  digest(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.sums
    let hash = this.isLong ? rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18) : prime5
    hash = (hash + this.length) | 0
    let at = 0
    const view = new DataView(this.rest.buffer)
    for (; at + 4 <= this.restLength; at += 4)
      hash = Math.imul(rotate((hash + Math.imul(view.getInt32(at, true), prime3)) | 0, 17), prime4)
    for (; at < this.restLength; at++)
      hash = Math.imul(rotate((hash + Math.imul(this.rest[at]!, prime5)) | 0, 11), prime1)
    hash = Math.imul(hash ^ (hash >>> 15), prime2)
    hash = Math.imul(hash ^ (hash >>> 13), prime3)
    return (hash ^ (hash >>> 16)) >>> 0
  }

  private keep(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) this.rest[this.restLength++] = bytes[at]!
  }

  /** Add bytes `start` to `end`: whole stripes. The sums are local numbers: in the array they would be slower. */
  private addStripes(bytes: Uint8Array, start: number, end: number): void {
    this.isLong = true
    if (this.accelerator !== null && end - start >= acceleratedLength) {
      this.accelerator.addStripes(this.sums, bytes, start, end)
      return
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let [a = 0, b = 0, c = 0, d = 0] = this.sums
    for (let at = start; at < end; at += stripeLength) {
      a = round(a, view.getInt32(at, true))
      b = round(b, view.getInt32(at + 4, true))
      c = round(c, view.getInt32(at + 8, true))
      d = round(d, view.getInt32(at + 12, true))
    }
    this.sums.set([a, b, c, d])
  }
}

/** The checksum of these bytes. */
export function xxHash32(bytes: Uint8Array, accelerator: Lz4Accelerator | null = null): number {
  const hash = new XxHash32(accelerator)
  hash.update(bytes)
  return hash.digest()
}
