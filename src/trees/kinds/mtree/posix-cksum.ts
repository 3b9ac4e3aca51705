// The checksum of cksum(1).  Source: POSIX, cksum: CRC-32 with the polynomial 0x04c11db7, highest bit first, over the
// bytes and then the bytes of their number, lowest first, without leading zeros; at the end, all bits are inverted.

const polynomial = 0x04c11db7

const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ polynomial : value << 1
  return value
})

/** Computes the checksum of cksum(1), with the methods of a Hash of Node. */
export class PosixCksum {
  private crc = 0
  private length = 0

  update(bytes: Uint8Array): void {
    this.length += bytes.length
    let { crc } = this
    for (const byte of bytes) crc = (crc << 8) ^ remainders[(crc >>> 24) ^ byte]!
    this.crc = crc
  }

  /** Complete the checksum. Decimal digits are the only form that cksum(1) has. */
  digest(): string {
    let { crc } = this
    for (let left = this.length; left > 0; left = Math.floor(left / 256)) {
      crc = (crc << 8) ^ remainders[(crc >>> 24) ^ (left % 256)]!
    }
    return `${~crc >>> 0}`
  }
}
