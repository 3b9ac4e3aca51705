import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { parseCowHeader } from '../../../src/formats/cow/index.js'
import { foreignFormatOf } from '../../../src/formats/recognise/foreign-format.js'

/** The first bytes of what the tools write. */
const heads: readonly (readonly [description: string, head: Uint8Array])[] = [
  ['compressed with gzip', gzipSync('x')],
  ['compressed with xz', Buffer.from('fd377a585a000004', 'hex')],
  ['compressed with zstd', Buffer.from('28b52ffd0458', 'hex')],
  ['compressed with bzip2', Buffer.from('BZh91AY&SY')],
  ['compressed with lz4', Buffer.from('04224d186440', 'hex')],
  ['a qcow2 image', Buffer.from('514649fb00000003', 'hex')],
]

describe('a format that umlcow does not read', () => {
  it.each(heads)('is recognised: %s', (description, head) => {
    expect(foreignFormatOf(head)?.description).toBe(description)
    for (let length = 0; length < 2; length++) expect(foreignFormatOf(head.subarray(0, length))).toBeNull()
  })

  it.each(heads)('is named instead of the magic that is missing: %s', (description, head) => {
    expect(() => parseCowHeader(head, { name: 'cow' })).toThrow(
      expect.objectContaining({
        code: 'NOT_COW',
        message: `cow: not a COW file: it is ${description}`,
        hint: expect.stringMatching(/unpack it first|umlcow convert -O cow/),
      }),
    )
  })

  it('is no other file', () => {
    for (const head of [new Uint8Array(0), new Uint8Array(512), Buffer.from('OOOM'), Buffer.from('PK\x03\x04')]) {
      expect(foreignFormatOf(head)).toBeNull()
    }
  })
})
