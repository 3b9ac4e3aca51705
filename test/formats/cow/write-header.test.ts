import { describe, expect, test } from 'vitest'
import { maxBackingPathLength, parseCowHeader, serializeNewHeader } from '../../../src/formats/cow/index.js'

const plain = {
  mtime: 0x65432100,
  virtualSize: 0x0001_0203_0405_06,
  sectorSize: 512,
  alignment: 4096,
  backingPath: Buffer.from('/srv/uml/root_fs'),
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'no error'
}

describe('serializeNewHeader', () => {
  test('has the bytes that uml_mkcow writes', () => {
    const bytes = serializeNewHeader(plain)
    expect(bytes).toHaveLength(4128)
    expect(Buffer.from(bytes.subarray(0, 56)).toString('hex')).toBe(
      [
        '4f4f4f4d', // magic
        '00000003', // version
        '65432100', // mtime
        '0000010203040506', // size
        '00000200', // sectorSize
        '00001000', // alignment
        '00000000', // cowFormat
        '2f7372762f756d6c2f726f6f745f6673', // backingFile
        '0000000000000000',
      ].join(''),
    )
    expect(bytes.subarray(48).every((byte) => byte === 0)).toBe(true)
  })

  test('parses to what it was made of', () => {
    const bytes = serializeNewHeader(plain)
    expect(parseCowHeader(bytes)).toEqual({
      ...plain,
      backingPath: new Uint8Array(plain.backingPath),
      version: 3,
      layout: 'v3',
      magicOrder: 'big',
      fieldOrder: 'big',
      cowFormat: 0,
      bytes,
    })
  })

  test('takes a path of 4095 bytes and refuses one more', () => {
    const longest = Buffer.alloc(4095, 'x')
    expect(parseCowHeader(serializeNewHeader({ ...plain, backingPath: longest })).backingPath).toHaveLength(4095)
    const backingPath = Buffer.alloc(4096, 'x')
    expect(codeOf(() => serializeNewHeader({ ...plain, backingPath }))).toBe('PATH_TOO_LONG')
  })

  test('refuses an empty path, one with a NUL, and a time before 1970 or after 2106', () => {
    expect(codeOf(() => serializeNewHeader({ ...plain, backingPath: new Uint8Array(0) }))).toBe('BAD_BACKING_PATH')
    expect(codeOf(() => serializeNewHeader({ ...plain, backingPath: Buffer.from('a\0') }))).toBe('BAD_BACKING_PATH')
    expect(codeOf(() => serializeNewHeader({ ...plain, mtime: 0 }))).toBe('no error')
    expect(codeOf(() => serializeNewHeader({ ...plain, mtime: 2 ** 32 - 1 }))).toBe('no error')
    for (const mtime of [-1, 2 ** 32, 0.5, Number.NaN]) {
      expect(codeOf(() => serializeNewHeader({ ...plain, mtime }))).toBe('BAD_MTIME')
    }
  })
})

test('the longest path of each layout', () => {
  expect((['v1', 'v2', 'v3', 'v3padded'] as const).map(maxBackingPathLength)).toEqual([255, 4095, 4095, 4095])
})
