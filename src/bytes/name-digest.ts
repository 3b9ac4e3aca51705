/** 64 bits that the author of an archive cannot know. */
export type DigestKey = readonly [low: number, high: number]

export function randomDigestKey(): DigestKey {
  return [Math.floor(Math.random() * 2 ** 32), Math.floor(Math.random() * 2 ** 32)]
}

/**
 * Compute the 64 bits that stand for a name in a table.
 *
 * The function is HalfSipHash-2-4: nobody can choose names that all fall into one place.  Source: J.-P. Aumasson,
 * D. J. Bernstein, "SipHash: a fast short-input PRF"; its 32-bit form.
 *
 * @param out  receives the two halves
 */
export function digestName(name: Uint8Array, [low, high]: DigestKey, out: Uint32Array): void {
  let v0 = low | 0
  let v1 = high ^ 0xee
  let v2 = low ^ 0x6c796765
  let v3 = high ^ 0x74656462
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) | 0
      v1 = rotate(v1, 5) ^ v0
      v0 = rotate(v0, 16)
      v2 = (v2 + v3) | 0
      v3 = rotate(v3, 8) ^ v2
      v0 = (v0 + v3) | 0
      v3 = rotate(v3, 7) ^ v0
      v2 = (v2 + v1) | 0
      v1 = rotate(v1, 13) ^ v2
      v2 = rotate(v2, 16)
    }
  }
  const whole = name.length - (name.length % 4)
  for (let at = 0; at <= whole; at += 4) {
    // The last word holds the rest of the name, and the length in its highest byte.
    const word = at < whole ? wordAt(name, at, 4) : wordAt(name, at, name.length - whole) | (name.length << 24)
    v3 ^= word
    rounds(2)
    v0 ^= word
  }
  v2 ^= 0xee
  rounds(4)
  out[0] = v1 ^ v3
  v1 ^= 0xdd
  rounds(4)
  out[1] = v1 ^ v3
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

function wordAt(name: Uint8Array, at: number, length: number): number {
  let word = 0
  for (let i = 0; i < length; i++) word |= name[at + i]! << (8 * i)
  return word
}
