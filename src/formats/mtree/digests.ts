import { parseDigits } from '../../bytes/decimal.js'
import { latin1Text } from '../../bytes/fast.js'
import { isWithin } from '../manifest/is-within.js'

/** Bytes of each digest, by its name in mtree text. */
const digestLengths = { md5: 16, sha1: 20, sha256: 32, sha384: 48, sha512: 64, rmd160: 20 } as const

type HexDigest = keyof typeof digestLengths

/** The digests of mtree text: those that have hexadecimal digits, and the checksum of cksum(1), which is decimal. */
export type DigestName = HexDigest | 'cksum'

export const digestNames: readonly DigestName[] = [...(Object.keys(digestLengths) as HexDigest[]), 'cksum']

/** The digests of a file, as lower case digits without leading zeros for `cksum`. */
export type MtreeDigests = { [Name in DigestName]?: string }

/** Describe the value of a digest, for messages. */
export function expectedDigest(name: DigestName): string {
  return name === 'cksum' ? 'a decimal number of 32 bits' : `${2 * digestLengths[name]} hexadecimal digits`
}

/** Read the value of a digest; null when it is malformed. */
export function parseDigest(name: DigestName, value: Uint8Array): string | null {
  if (name !== 'cksum') return isHex(value, 2 * digestLengths[name]) ? latin1Text(value).toLowerCase() : null
  const number = parseDigits(value, 10)
  return number !== null && isWithin(number, 0xffffffff) ? `${number}` : null
}

function isHex(value: Uint8Array, length: number): boolean {
  if (value.length !== length) return false
  for (let i = 0; i < length; i++) {
    const byte = value[i]!
    const letter = byte | 0x20
    if ((byte < 0x30 || byte > 0x39) && (letter < 0x61 || letter > 0x66)) return false
  }
  return true
}
