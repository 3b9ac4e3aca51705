import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatSize, parseSize, sizeProblem } from '../../src/bytes/size-text.js'
import { runs } from '../support/amount.js'

describe('parseSize', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['0004096', 4096],
    [' 4096 ', 4096],
    ['100B', 100],
    ['100b', 100],
    ['512K', 512 * 1024],
    ['512k', 512 * 1024],
    ['512KiB', 512 * 1024],
    ['512kib', 512 * 1024],
    ['3M', 3 * 1024 ** 2],
    ['1.5G', 1.5 * 1024 ** 3],
    ['10GiB', 10 * 1024 ** 3],
    ['2T', 2 * 1024 ** 4],
    ['7P', 7 * 1024 ** 5],
    ['0.5K', 512],
    ['0.001953125K', 2],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%j is %d bytes', (text, size) => {
    expect(parseSize(text)).toBe(size)
  })

  test.each([
    '',
    ' ',
    'K',
    '-1',
    '+1',
    '1e3',
    '0x10',
    '1,5G',
    '1.5',
    '.5K',
    '5.K',
    '1.2.3K',
    '0.3K',
    '1 K',
    '1KB',
    '1iB',
    '1KK',
    '1KiBs',
    '1XiB',
    '1E',
    'NaN',
    'Infinity',
    '8P.',
    '8P',
    '9007199254740992',
    '9007199254740993',
    '1.00000000000000000000001K',
    '٣',
  ])('%j is no size', (text) => {
    expect(parseSize(text)).toBeNull()
  })

  test('gives back every whole number of bytes, and every multiple with its suffix', () => {
    const property = fc.property(fc.maxSafeNat(), fc.nat(7), (bytes, large) => {
      expect(parseSize(String(bytes))).toBe(bytes)
      for (const [power, suffix] of ['', 'K', 'M', 'G', 'T', 'P'].entries()) {
        expect(parseSize(`${large}${suffix}`)).toBe(large * 1024 ** power)
      }
    })
    fc.assert(property, { numRuns: runs(300) })
  })
})

describe('sizeProblem', () => {
  test.each([
    ['8P', 'too large: umlcow takes sizes below 8P'],
    ['9007199254740992', 'too large'],
    ['123456789012345678901234567890', 'too large'],
    ['1.3', 'not a whole number of bytes'],
    ['root_fs', 'not a size'],
    ['10GB', 'not a size'],
    ['8E', 'not a size'],
    ['', 'not a size'],
    ['1..5G', 'not a size'],
    ['-1', 'not a size'],
  ])('%j is %s', (text, problem) => {
    expect(parseSize(text)).toBeNull()
    expect(sizeProblem(text)).toContain(`"${text}" is ${problem}`)
  })
})

describe('formatSize', () => {
  test.each([
    [0, '0 B'],
    [1, '1 B'],
    [100, '100 B'],
    [999, '999 B'],
    [1000, '1000 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [2560, '2.5 KiB'],
    [1234, '1.21 KiB'],
    [12_345, '12.1 KiB'],
    [1023 * 1024, '1023 KiB'],
    [16 * 1024 ** 2, '16 MiB'],
    [1.5 * 1024 ** 3, '1.5 GiB'],
    [2 * 1024 ** 4, '2 TiB'],
    [7 * 1024 ** 5, '7 PiB'],
    [Number.MAX_SAFE_INTEGER, '8 PiB'],
  ])('%d bytes are %j', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text)
  })

  test('is within one part in a hundred of the truth and no longer than a word', () => {
    const property = fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(5000), fc.nat(2 ** 31)), (bytes) => {
      const text = formatSize(bytes)
      expect(text).toMatch(/^\d{1,4}(\.\d{1,3})? ([KMGTP]i)?B$/)
      const [number, unit] = text.split(' ')
      const power = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'].indexOf(unit!)
      expect(Math.abs(Number(number) * 1024 ** power - bytes)).toBeLessThanOrEqual(bytes / 100)
      if (power === 0) expect(text).toBe(`${bytes} B`)
    })
    fc.assert(property, { numRuns: runs(1000) })
  })
})
