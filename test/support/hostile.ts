import { readFileSync } from 'node:fs'
import path from 'node:path'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'

/** Every overlay of the fixtures, by name, with the bytes of its whole file. */
export function fixtureOverlays(directory: string): { name: string; bytes: Buffer }[] {
  return listPairs().flatMap((pair) => {
    const home = path.join(directory, pair.kind)
    const { paths } = unpackPair(pair.kind, home)
    return paths.overlays.map((file: string) => ({
      name: `${pair.kind}/${path.basename(file)}`,
      bytes: readFileSync(file),
    }))
  })
}

/** A small deterministic generator of numbers below `limit`. @see Marsaglia, Xorshift RNGs, 2003 */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed * 2654435761 + 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

/** Values that break careless readers: ends of ranges, powers of two and their neighbours. */
const nasty = [0n, 1n, 2n, 3n, 7n, 255n, 256n, 511n, 512n, 513n, 4095n, 4096n, 65536n, 2n ** 20n, 2n ** 30n]
  .concat(
    [31n, 32n, 33n, 52n, 53n, 54n, 62n, 63n, 64n].flatMap((power) => [2n ** power - 1n, 2n ** power, 2n ** power + 1n]),
  )
  .map((value) => BigInt.asUintN(64, value))

/** One to four changes to the first `headerSize` bytes: flipped bits, random bytes, nasty numbers, cut or moved parts. */
export function mutateHeader(header: Uint8Array, random: (limit: number) => number): Uint8Array {
  const bytes = Uint8Array.from(header)
  const view = new DataView(bytes.buffer)
  // Most of a header is path; the fields at its ends deserve most of the changes.
  const place = () => (random(4) > 0 ? random(48) : Math.max(0, bytes.length - 1 - random(48)))
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = Math.min(place(), bytes.length - 8)
    const value = nasty[random(nasty.length)] as bigint
    const littleEndian = random(2) === 0
    switch (random(6)) {
      case 0:
        bytes[at] = (bytes[at] as number) ^ (1 << random(8))
        break
      case 1:
        bytes[at] = random(256)
        break
      case 2:
        view.setUint32(at - (at % 4), Number(value & 0xffffffffn), littleEndian)
        break
      case 3:
        view.setBigUint64(at - (at % 4), value, littleEndian)
        break
      case 4:
        bytes.fill(random(256), at, Math.min(bytes.length, at + random(300)))
        break
      default:
        bytes.copyWithin(at, random(bytes.length), random(bytes.length))
    }
  }
  return bytes
}
