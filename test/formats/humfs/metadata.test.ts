import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import {
  longestEntry,
  type MetadataEntry,
  parseMetadata,
  serializeMetadata,
} from '../../../src/formats/humfs/metadata.js'

const parse = (text: string) => parseMetadata(Buffer.from(text, 'latin1'))

describe('a metadata entry', () => {
  it.each<[string, MetadataEntry]>([
    ['420 0 0\n', { mode: 0o644, uid: 0, gid: 0, node: null }],
    ['2541 1000 50\n', { mode: 0o4755, uid: 1000, gid: 50, node: null }],
    ['420 3000000000 4294967294\n', { mode: 0o644, uid: 3_000_000_000, gid: 4_294_967_294, node: null }],
    ['438 0 0 c 1 3\n', { mode: 0o666, uid: 0, gid: 0, node: { letter: 'c', major: 1, minor: 3 } }],
    ['432 0 6 b 300 3000\n', { mode: 0o660, uid: 0, gid: 6, node: { letter: 'b', major: 300, minor: 3000 } }],
    ['493 0 0 s 0 0\n', { mode: 0o755, uid: 0, gid: 0, node: { letter: 's', major: 0, minor: 0 } }],
    ['420 0 0 p 0 0\n', { mode: 0o644, uid: 0, gid: 0, node: { letter: 'p', major: 0, minor: 0 } }],
  ])('%j is read and written', (text, entry) => {
    expect(parse(text)).toEqual({ ...entry, isTooLong: false })
    expect(serializeMetadata(entry).toString()).toBe(text)
    expect(parse(text.slice(0, -1))).toEqual({ ...entry, isTooLong: false })
  })

  it('may have negative ids, as a guest writes them', () => {
    expect(parse('420 -1294967296 -1')).toMatchObject({ uid: 3_000_000_000, gid: 4_294_967_295 })
    expect(parse('420 -2147483648 -2')).toMatchObject({ uid: 2_147_483_648, gid: 4_294_967_294 })
  })

  it('may have text after the sixth field, which the kernel ignores', () => {
    expect(parse('420 0 0 c 1 3 and more')).toMatchObject({ node: { letter: 'c', major: 1, minor: 3 } })
  })

  it.each([
    '',
    '\n',
    '420',
    '420 0',
    '420 0 0 s',
    '420 0 0 p 0',
    '420 0 0 x 0 0',
    '420 0 0 C 1 3',
    '420 0 0 c -1 3',
    '420 0 0 c 4096 3',
    '420 0 0 c 1 1048576',
    '33188 0 0',
    '-1 0 0',
    '0x1a4 0 0',
    '420 0 4294967296',
    '420 -2147483649 0',
    '420 1e3 0',
    '12abc 0 0',
    '420 0 0\r\n',
    '420\t0\t0',
    '420 0 0\n420 0 0\n',
    '420 0 0\0',
    `420 0 ${'0'.repeat(300)}`,
  ])('%j is refused', (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'HUMFS_ENTRY' }))
  })

  it('that the kernel would cut is not written, and told when it is read', () => {
    const node = { letter: 'b', major: 4095, minor: 1_048_575 } as const
    const entry = { mode: 0o777, uid: 4_294_967_295, gid: 4_294_967_295, node }
    expect(() => serializeMetadata(entry)).toThrow(expect.objectContaining({ code: 'HUMFS_ENTRY_TOO_LONG' }))
    expect(parse('511 4294967295 4294967295 b 4095 1048575\n')).toEqual({ ...entry, isTooLong: true })
    const fits = `511 4294967295 4294967295 b 4095 1048`
    expect(fits).toHaveLength(longestEntry)
    expect(parse(`${fits}\n`).isTooLong).toBe(false)
  })

  it('reads back what was written', () => {
    const id = fc.integer({ min: 0, max: 2 ** 32 - 1 })
    const letter = fc.constantFrom('c' as const, 'b' as const, 'p' as const, 's' as const)
    const node = fc.record({
      letter,
      major: fc.integer({ min: 0, max: 4095 }),
      minor: fc.integer({ min: 0, max: 999 }),
    })
    const entry = fc.record({ mode: fc.integer({ min: 0, max: 0o7777 }), uid: id, gid: id, node: fc.option(node) })
    fc.assert(
      fc.property(entry, (one) => {
        let bytes: Uint8Array
        try {
          bytes = serializeMetadata(one)
        } catch (error) {
          expect(error).toMatchObject({ code: 'HUMFS_ENTRY_TOO_LONG' })
          return
        }
        expect(parseMetadata(bytes)).toEqual({ ...one, isTooLong: false })
      }),
    )
  })

  it('of any bytes gives a coded error or numbers in their bounds', () => {
    const words = fc.array(fc.oneof(fc.integer().map(String), fc.constantFrom('c', 'b', 's', 'p', '\n', '-', '')))
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          words.map((all) => Buffer.from(all.join(' '))),
        ),
        (bytes) => {
          try {
            const { mode, uid, gid } = parseMetadata(bytes)
            expect(mode <= 0o7777 && uid < 2 ** 32 && gid < 2 ** 32 && Math.min(mode, uid, gid) >= 0).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(UmlcowError)
          }
        },
      ),
    )
  })
})
