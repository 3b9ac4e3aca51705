import { expect, test } from 'vitest'
import { crc16, crc32c, crc32cWord, crcStart } from '../../../src/formats/ext/index.js'

const digits = Buffer.from('123456789')

test('the check values of the two polynomials', () => {
  // Of CRC-32/ISCSI, which inverts at the end, and of CRC-16/MODBUS.
  expect((~crc32c(crcStart, digits) >>> 0).toString(16)).toBe('e3069283')
  expect(crc16(0xffff, digits).toString(16)).toBe('4b37')
})

test('parts give the same as the whole', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 37) % 256)
  const whole = crc32c(crcStart, bytes)
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(crc32c(crc32c(crcStart, bytes, 0, cut), bytes, cut)).toBe(whole)
  }
  expect(crc32cWord(7, 0xfedcba98)).toBe(crc32c(7, Uint8Array.of(0x98, 0xba, 0xdc, 0xfe)))
})
