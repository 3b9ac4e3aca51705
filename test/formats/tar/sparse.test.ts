import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Stretches, StretchList } from '../../../src/bytes/stretch-list.js'
import { UmlcowError } from '../../../src/errors.js'
import type { ManifestItem } from '../../../src/formats/manifest/index.js'
import { readTar, writeTar } from '../../../src/formats/tar/index.js'
import { checksumOf } from '../../../src/formats/tar/layout.js'
import { serializePaxRecord } from '../../../src/formats/tar/pax-records.js'
import { SparseMapBuilder } from '../../../src/formats/tar/sparse/map-builder.js'
import { runs } from '../../support/amount.js'
import { expectHardened, outcomeOf } from '../../support/archive-trials.js'
import { bytesOf, collect, cut, entry, listOf, readAll } from '../../support/manifest-entries.js'

/** A file with its holes: each stretch is filled with its own letter. */
function sparseFile(path: string, size: number, stretches: readonly number[]): { item: ManifestItem; whole: Buffer } {
  const whole = Buffer.alloc(size)
  const parts: Buffer[] = []
  for (let i = 0; i < stretches.length; i += 2) {
    whole.fill(97 + (i % 26), stretches[i]!, stretches[i + 1]!)
    parts.push(whole.subarray(stretches[i]!, stretches[i + 1]!))
  }
  const data = cut(Buffer.concat(parts), 700)
  const content = Object.assign(cut(whole, 700), { sparse: { stretches: Float64Array.from(stretches), data } })
  return { item: { entry: entry(path, { size }), content }, whole }
}

async function* itemsOf(...items: ManifestItem[]): AsyncGenerator<ManifestItem> {
  yield* items
}

const written = (...items: ManifestItem[]) => collect(writeTar(itemsOf(...items)))
const trial = (source: AsyncIterable<Uint8Array>) => readAll(readTar(source, { name: 'x.tar' }))

/** A member of any form. The text fields are written where the form has them. */
function member(type: string, magic: string, fields: readonly [at: number, text: string][], body = ''): Buffer {
  const block = Buffer.alloc(512)
  const all = [
    [0, 'f'],
    [100, '644'],
    [108, '0'],
    [116, '0'],
    [136, '0'],
    [156, type],
    [257, magic],
    ...fields,
  ] as const
  for (const [at, text] of all) block.write(text, at, 'latin1')
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return Buffer.concat([block, Buffer.from(body, 'latin1'), Buffer.alloc((512 - (body.length % 512)) % 512)])
}

const octal = (value: number) => value.toString(8)
const end = Buffer.alloc(1024)
const pairsAt = (start: number, numbers: readonly number[]) =>
  numbers.map((value, i): [number, string] => [start + 12 * i, octal(value)])
const oldMember = (size: number, realSize: number, numbers: number[], body: string, isExtended = false) =>
  member(
    'S',
    'ustar  \0',
    [
      [124, octal(size)],
      [483, octal(realSize)],
      ...pairsAt(386, numbers),
      ...(isExtended ? [[482, '\x01'] as [number, string]] : []),
    ],
    body,
  )
const records = (...pairs: [string, string | number][]) =>
  Buffer.concat(pairs.map(([keyword, value]) => serializePaxRecord(keyword, bytesOf(String(value))))).toString('latin1')
function paxMember(size: number, body: string, ...pairs: [string, string | number][]): Buffer {
  const text = records(...pairs)
  const header = member('x', 'ustar\x0000', [[124, octal(text.length)]], text)
  return Buffer.concat([header, member('0', 'ustar\x0000', [[124, octal(size)]], body)])
}
const v1 = (size: number, realSize: number, body: string, ...more: [string, string | number][]) =>
  paxMember(
    size,
    body,
    ['GNU.sparse.major', 1],
    ['GNU.sparse.minor', 0],
    ['GNU.sparse.name', 'real'],
    ['GNU.sparse.realsize', realSize],
    ...more,
  )
const mapBlock = (text: string) => text.padEnd(Math.ceil(text.length / 512) * 512, '\0')

const sparseShape = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 1, max: 3000 })), { maxLength: 40 })
  .chain((gaps) => fc.tuple(fc.constant(gaps), fc.integer({ min: 0, max: 5000 })))
  .map(([gaps, tail]) => {
    const list = new StretchList(1000)
    for (const [hole, length] of gaps) list.add(list.end + hole, list.end + hole + length)
    return { stretches: [...list.stretches()], size: list.end + tail }
  })

describe('sparse members', () => {
  it('give back any file with its holes, however the input is cut', async () => {
    await fc.assert(
      fc.asyncProperty(sparseShape, fc.integer({ min: 1, max: 2000 }), async ({ stretches, size }, length) => {
        const { item, whole } = sparseFile('d/f', size, stretches)
        const after = sparseFile('after', 10, [0, 10])
        const bytes = await written(item, after.item)
        const back = await trial(cut(bytes, length))
        expect(back.map(({ entry: { path, size: got } }) => [path.toString(), got])).toEqual([
          ['d/f', size],
          ['after', 10],
        ])
        expect(back[0]!.content!.equals(whole)).toBe(true)
        expect(back[1]!.content!.equals(after.whole)).toBe(true)
        for await (const {
          content,
          entry: { path },
        } of readTar(cut(bytes, length))) {
          const found: Stretches | undefined = content?.sparse?.stretches
          if (path.toString() === 'd/f' && found !== undefined) expect([...found]).toEqual(stretches)
        }
      }),
      { numRuns: runs(80) },
    )
  })

  it('store the size of what is stored, and the name where programs look that do not know the form', async () => {
    const { item } = sparseFile('d/\xff', 10_000_000, [4096, 8192])
    const text = (await written(item)).toString('latin1')
    expect(text).toContain('GNU.sparse.name=d/\xff\n')
    expect(text).toContain('hdrcharset=BINARY')
    expect(text).toContain('d/GNUSparseFile.0/\xff\0')
    expect(text).toContain(`${octal(512 + 4096).padStart(11, '0')}\0`)
    expect(text).toContain('2\n4096\n4096\n10000000\n0\n')
  })

  it('refuse to write more or less data than the stretches hold', async () => {
    for (const length of [99, 101]) {
      const { item } = sparseFile('f', 1000, [0, 100])
      const content = Object.assign(cut(Buffer.alloc(1), 1), {
        sparse: { stretches: Float64Array.of(0, 100), data: cut(Buffer.alloc(length), 50) },
      })
      await expect(written({ ...item, content })).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    }
  })

  const numbers = Array.from({ length: 30 }, (_, i) => [i * 10, 1]).flat()
  const block = Buffer.alloc(512)
  for (const [at, text] of pairsAt(0, numbers.slice(8, 50))) block.write(text, at)
  block.write('\x01', 504)
  const last = Buffer.alloc(512)
  for (const [at, text] of pairsAt(0, numbers.slice(50))) last.write(text, at)
  const extendedMap = Buffer.concat([block, last]).toString('latin1')
  const manyDots = Array.from({ length: 30 }, () => `x${'\0'.repeat(9)}`).join('')

  it.each([
    ['the old form', oldMember(3, 20, [5, 3], 'abc'), `${'\0'.repeat(5)}abc${'\0'.repeat(12)}`],
    ['the old form with blocks', oldMember(30, 300, numbers.slice(0, 8), extendedMap + 'x'.repeat(30), true), manyDots],
    ['the old form, all hole', oldMember(0, 5, [5, 0], ''), '\0'.repeat(5)],
    [
      'pax 0.0',
      paxMember(
        3,
        'abc',
        ['GNU.sparse.size', 8],
        ['GNU.sparse.numblocks', 2],
        ['GNU.sparse.offset', 1],
        ['GNU.sparse.numbytes', 1],
        ['GNU.sparse.offset', 4],
        ['GNU.sparse.numbytes', 2],
      ),
      '\0a\0\0bc\0\0',
    ],
    [
      'pax 0.1',
      paxMember(3, 'abc', ['GNU.sparse.size', 8], ['GNU.sparse.numblocks', 2], ['GNU.sparse.map', '1,1,4,2']),
      '\0a\0\0bc\0\0',
    ],
    ['pax 1.0', v1(515, 8, `${mapBlock('2\n1\n1\n4\n2\n')}abc`), '\0a\0\0bc\0\0'],
    [
      'pax 1.0 with the size of the whole file in its record',
      v1(515, 8, `${mapBlock('1\n1\n3\n')}abc`, ['size', 8]),
      '\0abc\0\0\0\0',
    ],
  ])('read %s', async (_form, bytes, content) => {
    for (const length of [1, 100, 512, 4096]) {
      const back = await trial(cut(Buffer.concat([bytes, member('0', 'ustar\x0000', [[0, 'next']]), end]), length))
      expect(back[0]!.content!.toString('latin1')).toBe(content)
      expect(back[1]!.entry.path.toString()).toBe('next')
    }
  })

  const huge = 2 ** 53
  const longMap = `200\n${Array.from({ length: 200 }, (_, i) => `${2 * i}\n1\n`).join('')}`
  it.each([
    ['overlaps', oldMember(6, 20, [5, 3, 7, 3], 'abcdef'), 'BAD_ARCHIVE'],
    ['descends', oldMember(2, 20, [5, 1, 1, 1], 'ab'), 'BAD_ARCHIVE'],
    ['goes beyond the size', oldMember(3, 7, [5, 3], 'abc'), 'BAD_ARCHIVE'],
    ['has more data than the member', oldMember(3, 20, [5, 4], 'abc'), 'BAD_ARCHIVE'],
    ['has less data than the member', oldMember(3, 20, [5, 2], 'abc'), 'BAD_ARCHIVE'],
    [
      'has numbers that are none',
      member('S', 'ustar  \0', [
        [483, '20'],
        [386, '9'],
        [398, '1'],
      ]),
      'BAD_ARCHIVE',
    ],
    ['has no size', member('S', 'ustar  \0', [[483, 'x']]), 'BAD_ARCHIVE'],
    ['ends before its blocks', oldMember(0, 20, [5, 0], '', true).subarray(0, 512), 'TRUNCATED_ARCHIVE'],
    ['has an empty block', oldMember(0, 20, [], `${'\0'.repeat(504)}\x01`, true), 'BAD_ARCHIVE'],
    ['is of another tar', member('S', 'ustar\x0000', []), 'ARCHIVE_FEATURE'],
    ['is of star', paxMember(0, '', ['SCHILY.realsize', 5]), 'ARCHIVE_FEATURE'],
    ['is of version 2.0', paxMember(0, '', ['GNU.sparse.major', 2], ['GNU.sparse.realsize', 5]), 'ARCHIVE_FEATURE'],
    ['has a version that is none', paxMember(0, '', ['GNU.sparse.major', 'x']), 'BAD_ARCHIVE'],
    ['has a name and nothing else', paxMember(0, '', ['GNU.sparse.name', 'x']), 'ARCHIVE_FEATURE'],
    ['has an odd number of numbers', paxMember(0, '', ['GNU.sparse.size', 5], ['GNU.sparse.map', '1']), 'BAD_ARCHIVE'],
    [
      'has another count',
      paxMember(1, 'a', ['GNU.sparse.size', 5], ['GNU.sparse.numblocks', 2], ['GNU.sparse.map', '1,1']),
      'BAD_ARCHIVE',
    ],
    [
      'comes twice',
      paxMember(0, '', ['GNU.sparse.map', '1,1'], ['GNU.sparse.offset', 5], ['GNU.sparse.numbytes', 1]),
      'BAD_ARCHIVE',
    ],
    ['lacks a length', paxMember(0, '', ['GNU.sparse.offset', 5], ['GNU.sparse.offset', 6]), 'BAD_ARCHIVE'],
    ['lacks the last length', paxMember(0, '', ['GNU.sparse.size', 9], ['GNU.sparse.offset', 5]), 'BAD_ARCHIVE'],
    ['has letters', v1(512, 8, mapBlock('1\nx\n1\n')), 'BAD_ARCHIVE'],
    ['has empty lines', v1(512, 8, mapBlock('\n\n')), 'BAD_ARCHIVE'],
    ['has too many digits', v1(512, 8, mapBlock(`1\n${'0'.repeat(21)}\n1\n`)), 'BAD_ARCHIVE'],
    ['has a huge count', v1(512, 8, mapBlock(`${huge - 1}\n1\n1\n`)), 'BAD_ARCHIVE'],
    ['has an unsafe number', v1(512, 8, mapBlock(`1\n${huge}\n1\n`)), 'BAD_ARCHIVE'],
    ['has a sum beyond safe numbers', v1(512, huge - 1, mapBlock(`1\n${huge - 1}\n${huge - 1}\n`)), 'BAD_ARCHIVE'],
    ['is longer than the member', v1(511, 8, mapBlock('1\n1\n1\n')), 'BAD_ARCHIVE'],
    ['ends early', v1(1024, 999, mapBlock(longMap)).subarray(0, 2048), 'TRUNCATED_ARCHIVE'],
  ])('are refused when the map %s', async (_what, bytes, code) => {
    // What is cut short must be the end of the input.
    expect(await outcomeOf(trial, code === 'TRUNCATED_ARCHIVE' ? bytes : Buffer.concat([bytes, end]))).toBe(code)
  })

  it('are refused with more stretches than a limit that bounds the memory', () => {
    const map = new SparseMapBuilder(2 ** 40, (code, what) => new UmlcowError(code, what))
    for (let i = 0; i < 2 ** 21; i++) map.add(2 * i, 1)
    expect(() => map.add(2 ** 39, 1)).toThrow('more than 2097152 stretches')
  })

  it('of petabytes of holes are listed without a read of them', async () => {
    const bytes = Buffer.concat([v1(512, 2 ** 52, mapBlock(`1\n${2 ** 52}\n0\n`)), end])
    const items = await listOf(readTar(cut(bytes, 512)))
    expect(items.map(({ entry: { size } }) => size)).toEqual([2 ** 52])
  })

  it('stand changed bytes', async () => {
    const { item } = sparseFile('f', 9000, [512, 1024, 3000, 4000, 8999, 9000])
    const bytes = Buffer.concat([(await written(item)).subarray(0, -1024), oldMember(3, 20, [5, 3], 'abc'), end])
    // Only a map within the size of a test is read whole: others say what they would read.
    const bounded = async (source: AsyncIterable<Uint8Array>) => {
      for await (const {
        entry: { size },
        content,
      } of readTar(source))
        if (size < 2 ** 20) await collect(content ?? cut(end, 1))
      return []
    }
    const repair = (changed: Buffer) => {
      for (let at = 0; at + 512 <= changed.length; at += 512) {
        const one = changed.subarray(at, at + 512)
        if (one.toString('latin1', 257, 262) !== 'ustar') continue
        one.write(`${checksumOf(one).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
      }
    }
    const counts = await expectHardened(bounded, bytes, runs(1200), repair)
    expect(counts.get('BAD_ARCHIVE')).toBeGreaterThan(20)
  })
})
