import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { parseHumfsSize, parseSuperblock, serializeSuperblock, usedOf } from '../../../src/formats/humfs/superblock.js'

const parse = (text: string) => parseSuperblock(Buffer.from(text, 'latin1'))
const good = 'version 2\nmetadata shadow_fs\nused 4096\ntotal 8192\n'

describe('a superblock', () => {
  it('is what the Perl tool writes', () => {
    expect(serializeSuperblock({ used: 4096, total: 8192 }).toString()).toBe(good)
    expect(parse(good)).toEqual({ used: 4096, total: 8192, warnings: [] })
  })

  it('may have its lines in any order, and no metadata', () => {
    expect(parse('total 2\nused 1\nversion 2\n')).toEqual({ used: 1, total: 2, warnings: [] })
  })

  it('may lack the version, which is told', () => {
    expect(parse('used 1\ntotal 1\n').warnings).toEqual([expect.stringContaining('version')])
  })

  it.each([
    ['nothing', ''],
    ['a newline', '\n'],
    ['no end of the last line', good.slice(0, -1)],
    ['a blank line', `${good}\n`],
    ['a comment', `# humfs\n${good}`],
    ['an unknown item', `${good}owner 5\n`],
    ['a line twice', `${good}used 4096\n`],
    ['CRLF', good.replaceAll('\n', '\r\n')],
    ['a tab', good.replace('used ', 'used\t')],
    ['two blanks', good.replace('used ', 'used  ')],
    ['a blank at the end', good.replace('4096', '4096 ')],
    ['no used', 'version 2\ntotal 8192\n'],
    ['no total', 'version 2\nused 1\n'],
    ['used 0', good.replace('4096', '0')],
    ['total 0', good.replace('8192', '0')],
    ['used above total', good.replace('4096', '8193')],
    ['a negative size', good.replace('4096', '-1')],
    ['a hexadecimal size', good.replace('4096', '0x10')],
    ['a size with K', good.replace('8192', '8K')],
    ['a size beyond all numbers', good.replace('8192', '99999999999999999999')],
    ['other metadata', good.replace('shadow_fs', 'xattr')],
    ['a version that is none', good.replace('version 2', 'version two')],
    ['a line of 63 bytes', good.replace('total 8192', `total ${'0'.repeat(53)}8192`)],
    ['a NUL', good.replace('4096', '40\x0096')],
    ['a megabyte', good.repeat(20_000)],
  ])('with %s is refused', (_, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'HUMFS_SUPERBLOCK' }))
  })

  it.each(['1', '3', '0', '22'])('of version %s is another format', (version) => {
    const text = good.replace('version 2', `version ${version}`)
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'HUMFS_VERSION' }))
  })

  it('of any bytes gives a coded error or numbers that fit', () => {
    const line = fc.tuple(fc.constantFrom('version', 'used', 'total', 'metadata', ''), fc.string({ maxLength: 70 }))
    const text = fc.array(line.map((words) => words.join(' '))).map((lines) => lines.join('\n'))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), text.map(Buffer.from)), (bytes) => {
        try {
          const { used, total } = parseSuperblock(bytes)
          expect(used > 0 && used <= total).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(UmlcowError)
        }
      }),
    )
  })

  it('reads back what was written', () => {
    const size = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
    fc.assert(
      fc.property(size, size, (a, b) => {
        const sizes = { used: Math.min(a, b), total: Math.max(a, b) }
        expect(parseSuperblock(serializeSuperblock(sizes))).toEqual({ ...sizes, warnings: [] })
      }),
    )
  })
})

describe('sizes', () => {
  it.each([
    ['1', 1],
    ['10K', 10_240],
    ['3m', 3 * 2 ** 20],
    ['1G', 2 ** 30],
    ['2t', 2 ** 41],
  ])('%s', (text, size) => expect(parseHumfsSize(text)).toBe(size))

  it.each(['', '0', '-1', '1.5G', '1P', 'G', '1 G', '1GB', '99999999T', '1\n'])('%j is none', (text) => {
    expect(parseHumfsSize(text)).toBeNull()
  })

  it('used is at least a block, and whole KiB as du rounds', () => {
    expect([0, 1, 4096, 4608].map(usedOf)).toEqual([4096, 4096, 4096, 5120])
  })
})
