import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type CowHeader,
  computeLayout,
  cowMagicOrder,
  editHeader,
  maxHeaderSize,
  parseCowHeader,
} from '../../../src/formats/cow/index.js'
import { amount } from '../../support/amount.js'
import {
  type GeneratedPair,
  generatePair,
  type PairLayout,
  pairLayouts,
  writeHeaderPath,
} from '../../support/generate.js'

const readings: Record<PairLayout, Pick<CowHeader, 'version' | 'layout' | 'magicOrder' | 'fieldOrder'>> = {
  v1: { version: 1, layout: 'v1', magicOrder: 'little', fieldOrder: 'little' },
  v1big: { version: 1, layout: 'v1', magicOrder: 'big', fieldOrder: 'big' },
  v1hybrid: { version: 1, layout: 'v1', magicOrder: 'big', fieldOrder: 'little' },
  v2: { version: 2, layout: 'v2', magicOrder: 'big', fieldOrder: 'big' },
  v2little: { version: 2, layout: 'v2', magicOrder: 'little', fieldOrder: 'big' },
  v3: { version: 3, layout: 'v3', magicOrder: 'big', fieldOrder: 'big' },
  v3little: { version: 3, layout: 'v3', magicOrder: 'little', fieldOrder: 'big' },
  v3padded: { version: 3, layout: 'v3padded', magicOrder: 'big', fieldOrder: 'big' },
}

function parsePair(pair: GeneratedPair): CowHeader {
  return parseCowHeader(pair.overlayBytes.subarray(0, maxHeaderSize), { fileSize: pair.overlayBytes.length })
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'no error'
}

describe('cowMagicOrder', () => {
  test.each([
    ['OOOM', 'big'],
    ['MOOO', 'little'],
    ['OOOMxyz', 'big'],
    ['OOO', null],
    ['', null],
    ['ooom', null],
    ['OMOO', null],
    ['xOOOM', null],
  ])('of %j is %s', (text, order) => {
    expect(cowMagicOrder(Buffer.from(text))).toBe(order)
    // In a larger buffer, at an odd offset, with a magic behind the end.
    const larger = Buffer.from(`.....${text}OOOM`)
    expect(cowMagicOrder(larger.subarray(5, 5 + text.length))).toBe(order)
  })
})

describe('a written header', () => {
  test.each(pairLayouts)('%s reads as it was written', (layout) => {
    for (let seed = 0; seed < 12; seed++) {
      const pair = generatePair(seed, { layout, headerPath: `/srv/uml/disk ${seed}` })
      const header = parsePair(pair)
      expect(header, pair.name).toEqual({
        ...readings[layout],
        mtime: pair.mtime,
        virtualSize: pair.virtualSize,
        sectorSize: pair.sectorSize,
        alignment: pair.alignment,
        cowFormat: 0,
        backingPath: new Uint8Array(Buffer.from(`/srv/uml/disk ${seed}`)),
        bytes: pair.overlayBytes.slice(0, pair.facts.headerSize),
      })
      const { headerSize, bitmapOffset, bitmapLength, dataOffset } = computeLayout(header)
      const { facts, sectorSize, virtualSize } = pair
      expect({ headerSize, bitmapOffset, bitmapLength, dataOffset, sectorSize, virtualSize }).toEqual(facts)
    }
  })

  test.each(pairLayouts)('%s keeps every byte when nothing is changed', (layout) => {
    for (let seed = 0; seed < 12; seed++) {
      const header = parsePair(generatePair(seed, { layout }))
      expect(editHeader(header, {})).toEqual(header.bytes)
    }
  })

  test('is read from a view at an odd offset, and owns what it gives', () => {
    const pair = generatePair(3, { layout: 'v3', virtualSize: 5000 })
    const larger = new Uint8Array(pair.overlayBytes.length + 20).fill(0x4f)
    larger.set(pair.overlayBytes, 13)
    const header = parseCowHeader(larger.subarray(13, 13 + 4128))
    const expected = parsePair(pair)
    larger.fill(0)
    expect(header).toEqual(expected)
  })

  test('read from a Buffer gives plain arrays of its own, too', () => {
    // Buffer.slice, unlike that of Uint8Array, shares its memory.
    const buffer = Buffer.from(generatePair(3, { layout: 'v3', virtualSize: 5000 }).overlayBytes)
    const expected = parseCowHeader(new Uint8Array(buffer))
    const header = parseCowHeader(buffer)
    buffer.fill(0)
    expect(header).toEqual(expected)
  })

  test('has the whole range of modification times, unsigned', () => {
    for (const mtime of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      for (const layout of pairLayouts) {
        const header = parsePair(generatePair(1, { layout, virtualSize: 96 * 1024, sectorSize: 512 }))
        const edited = parseCowHeader(editHeader(header, { mtime }), { fileSize: 96 * 1024 + 512 })
        expect(edited.mtime).toBe(mtime)
      }
    }
  })

  test('has a path of bytes, not of text', () => {
    const headerPath = Uint8Array.of(0x2f, 0xff, 0x0a, 0x1b, 0xc3)
    for (const layout of pairLayouts) {
      const pair = generatePair(2, { layout, headerPath, virtualSize: 4096 })
      expect([...parsePair(pair).backingPath]).toEqual([...headerPath])
    }
  })

  test('has the longest path that fits', () => {
    for (const layout of pairLayouts) {
      const length = layout.startsWith('v1') ? 255 : 4095
      const pair = generatePair(2, { layout, headerPath: 'x'.repeat(length), virtualSize: 4096 })
      expect(parsePair(pair).backingPath.length).toBe(length)
    }
  })
})

describe('editHeader', () => {
  test.each(pairLayouts)('%s changes the path and its NUL, and no other byte', (layout) => {
    const longest = layout.startsWith('v1') ? 255 : 4095
    for (let seed = 0; seed < 3; seed++) {
      const header = parsePair(generatePair(seed, { layout, headerPath: '/srv/uml/a path of some length' }))
      for (const next of ['x', '/other', '/srv/uml/root_fs.2024', 'y'.repeat(longest)]) {
        const expected = Uint8Array.from(header.bytes)
        writeHeaderPath(expected, layout, next)
        expect(editHeader(header, { backingPath: Buffer.from(next) })).toEqual(expected)
      }
    }
  })

  test.each(pairLayouts)('%s changes the mtime, and no other byte', (layout) => {
    const at = { v1: 264, v1big: 264, v1hybrid: 264, v2: 4104, v2little: 4104, v3: 8, v3little: 8, v3padded: 8 }[layout]
    const isLittle = layout === 'v1' || layout === 'v1hybrid'
    for (let seed = 0; seed < 3; seed++) {
      const header = parsePair(generatePair(seed, { layout }))
      const expected = Uint8Array.from(header.bytes)
      expected.set(isLittle ? [0xf4, 0xf3, 0xf2, 0xf1] : [0xf1, 0xf2, 0xf3, 0xf4], at)
      expect(editHeader(header, { mtime: 0xf1f2f3f4 })).toEqual(expected)
    }
  })

  test('changes both at once and leaves the header it was given as it is', () => {
    for (const layout of pairLayouts) {
      const pair = generatePair(5, { layout, virtualSize: 96 * 1024, sectorSize: 512 })
      const header = parsePair(pair)
      const before = Uint8Array.from(header.bytes)
      const edited = editHeader(header, { backingPath: Buffer.from('/new'), mtime: 7 })
      expect(header.bytes).toEqual(before)
      const parsed = parseCowHeader(edited, { fileSize: pair.overlayBytes.length })
      expect(parsed).toEqual({ ...header, backingPath: new Uint8Array(Buffer.from('/new')), mtime: 7, bytes: edited })
    }
  })

  test.each([
    ['v1', 255],
    ['v2', 4095],
    ['v3', 4095],
    ['v3padded', 4095],
  ] as const)('%s takes a path of %d bytes and refuses one more', (layout, limit) => {
    const header = parsePair(generatePair(5, { layout, virtualSize: 96 * 1024 }))
    const fits = parseCowHeader(editHeader(header, { backingPath: Buffer.alloc(limit, 'x') }))
    expect(fits.backingPath).toEqual(new Uint8Array(Buffer.alloc(limit, 'x')))
    expect(codeOf(() => editHeader(header, { backingPath: Buffer.alloc(limit + 1, 'x') }))).toBe('PATH_TOO_LONG')
  })

  test('refuses a path that is empty or has a NUL, and a time that does not fit', () => {
    const header = parsePair(generatePair(5, { layout: 'v3' }))
    expect(codeOf(() => editHeader(header, { backingPath: new Uint8Array(0) }))).toBe('BAD_BACKING_PATH')
    expect(codeOf(() => editHeader(header, { backingPath: Uint8Array.of(97, 0, 98) }))).toBe('BAD_BACKING_PATH')
    for (const mtime of [-1, 2 ** 32, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(codeOf(() => editHeader(header, { mtime }))).toBe('BAD_MTIME')
    }
  })
})

describe('version 3, packed or padded', () => {
  test('a path whose first byte is NUL and whose next are not is empty and packed', () => {
    const pair = generatePair(5, { layout: 'v3', virtualSize: 4096 })
    pair.overlayBytes.set([0, 1, 2, 3], 32)
    const header = parsePair(pair)
    expect(header.layout).toBe('v3')
    expect(header.backingPath).toHaveLength(0)
  })

  test('an empty path makes it look padded, as it does to the kernel, and is refused', () => {
    const pair = generatePair(5, { layout: 'v3', virtualSize: 4096 })
    pair.overlayBytes.fill(0, 32, 4128)
    expect(codeOf(() => parsePair(pair))).toMatch(/^BAD_(ALIGNMENT|SECTOR_SIZE)$/)
    expect(() => parsePair(pair)).toThrow(/path is empty|sector size/)
  })

  test('the paddings are kept byte for byte', () => {
    const pair = generatePair(5, { layout: 'v3padded', virtualSize: 4096 })
    pair.overlayBytes.set([1, 2, 3, 4], 12)
    pair.overlayBytes.set([5, 6, 7, 8], 4132)
    const edited = editHeader(parsePair(pair), { mtime: 1, backingPath: Buffer.from('/b') })
    expect([...edited.subarray(12, 16), ...edited.subarray(4132)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })
})

describe('version 1 with a big-endian magic', () => {
  /** 280 bytes with these numbers, all big-endian. */
  function header(size: bigint, sectorSize: number): Uint8Array {
    const bytes = Buffer.alloc(280)
    bytes.write('OOOM')
    bytes.writeUInt32BE(1, 4)
    bytes.write('/srv/root_fs', 8)
    bytes.writeUInt32BE(1_700_000_000, 264)
    bytes.writeBigUInt64BE(size, 268)
    bytes.writeUInt32BE(sectorSize, 276)
    return bytes
  }

  test('is read in the order that gives possible fields', () => {
    expect(parseCowHeader(header(98_304n, 512))).toMatchObject({
      fieldOrder: 'big',
      virtualSize: 98_304,
      sectorSize: 512,
    })
    // 0x0080_0100_0000_0000 and 0x0002_0000: the same numbers the other way round.
    expect(parseCowHeader(header(0x0080010000000000n, 0x20000))).toMatchObject({
      fieldOrder: 'little',
      virtualSize: 98_304,
      sectorSize: 512,
      mtime: 0x00f15365,
    })
  })

  test('is told by the length of the file where both orders give possible fields', () => {
    // 64 KiB of 512-byte sectors, or 1 TiB of 128 KiB sectors with a bitmap of 1 MiB.
    const bytes = header(65_536n, 512)
    const swapped = header(2n ** 40n, 0x20000)
    for (const fileSize of [280 + 16, 512, 512 + 65_536]) {
      expect(parseCowHeader(bytes, { fileSize })).toMatchObject({ fieldOrder: 'big', virtualSize: 65_536 })
      expect(parseCowHeader(swapped, { fileSize })).toMatchObject({ fieldOrder: 'little', virtualSize: 65_536 })
    }
    const large = 280 + 2 ** 20
    expect(parseCowHeader(bytes, { fileSize: large })).toMatchObject({ fieldOrder: 'little', virtualSize: 2 ** 40 })
    expect(parseCowHeader(swapped, { fileSize: large })).toMatchObject({ fieldOrder: 'big', virtualSize: 2 ** 40 })
  })

  test.each([
    ['too short for either', 280 + 15],
    ['too long for one, too short for the other', 512 + 65_536 + 1],
    ['unknown', undefined],
  ])('is refused when its file is %s', (_what, fileSize) => {
    expect(codeOf(() => parseCowHeader(header(65_536n, 512), { fileSize }))).toBe('BAD_BYTE_ORDER')
  })

  test('is refused when nothing tells the two orders apart', () => {
    expect(codeOf(() => parseCowHeader(header(0n, 512), { fileSize: 512 }))).toBe('BAD_BYTE_ORDER')
    expect(codeOf(() => parseCowHeader(header(1n, 3)))).toBe('BAD_BYTE_ORDER')
  })

  test('with a little-endian magic has one reading only', () => {
    const bytes = Buffer.from(header(65_536n, 512))
    bytes.write('MOOO')
    expect(codeOf(() => parseCowHeader(bytes))).toBe('BAD_VERSION')
    bytes.writeUInt32LE(1, 4)
    expect(parseCowHeader(bytes)).toMatchObject({ fieldOrder: 'little', virtualSize: 2 ** 40, sectorSize: 0x20000 })
  })
})

describe('limits', () => {
  function v3(size: bigint, sectorSize: number, alignment: number): Uint8Array {
    const bytes = Buffer.alloc(4128)
    bytes.write('OOOM')
    bytes.writeUInt32BE(3, 4)
    bytes.writeBigUInt64BE(size, 12)
    bytes.writeUInt32BE(sectorSize, 20)
    bytes.writeUInt32BE(alignment, 24)
    bytes.write('/srv/root_fs', 32)
    return bytes
  }

  test('sector sizes are the powers of two from 512 to 1 MiB', () => {
    for (let power = 0; power < 32; power++) {
      const code = codeOf(() => parseCowHeader(v3(4096n, 2 ** power, 4096)))
      expect(code, String(2 ** power)).toBe(power >= 9 && power <= 20 ? 'no error' : 'BAD_SECTOR_SIZE')
    }
    for (const size of [0, 511, 513, 1536, 2 ** 20 + 1, 2 ** 32 - 512]) {
      expect(codeOf(() => parseCowHeader(v3(4096n, size, 4096)))).toBe('BAD_SECTOR_SIZE')
    }
  })

  test('alignments are 1 to 1 GiB', () => {
    for (const alignment of [1, 2, 3, 511, 4096, 5000, 2 ** 30]) {
      expect(parseCowHeader(v3(4096n, 512, alignment)).alignment).toBe(alignment)
    }
    for (const alignment of [0, 2 ** 30 + 1, 2 ** 31, 2 ** 32 - 1]) {
      expect(codeOf(() => parseCowHeader(v3(4096n, 512, alignment)))).toBe('BAD_ALIGNMENT')
    }
  })

  test('the end of the data lies below 2^53', () => {
    // Version 3, 512-byte sectors, alignment 1: the header, a bit for each sector, and the sectors.
    const end = (sectors: bigint) => 4128n + (sectors + 7n) / 8n + sectors * 512n
    let most = 2n ** 44n
    while (end(most) > 2n ** 53n - 1n) most -= (end(most) - 2n ** 53n) / 513n + 1n
    while (end(most + 1n) <= 2n ** 53n - 1n) most++
    expect(parseCowHeader(v3(most * 512n, 512, 1)).virtualSize).toBe(Number(most * 512n))
    for (const size of [most * 512n + 1n, (most + 1n) * 512n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(
        codeOf(() => parseCowHeader(v3(size, 512, 1))),
        String(size),
      ).toBe('BAD_VIRTUAL_SIZE')
    }
  })
})

test('what is parsed stays the same through any edit, apart from the edit', () => {
  const property = fc.property(
    fc.nat(5000),
    fc.uint8Array({ minLength: 1, maxLength: 255 }).filter((bytes) => !bytes.includes(0)),
    fc.nat(2 ** 32 - 1),
    (seed, backingPath, mtime) => {
      const pair = generatePair(seed, { virtualSize: 24 * 1024 })
      const header = parsePair(pair)
      const bytes = editHeader(header, { backingPath, mtime })
      const again = parseCowHeader(bytes, { fileSize: pair.overlayBytes.length })
      expect(again).toEqual({ ...header, backingPath, mtime, bytes })
      // Back again: what the longer path covered is gone, the rest is as it was.
      const back = editHeader(again, { backingPath: header.backingPath, mtime: header.mtime })
      const covered = Math.max(backingPath.length, header.backingPath.length) + 1
      const differing = [...back.keys()].filter((i) => back[i] !== header.bytes[i])
      expect(differing.length).toBeLessThanOrEqual(covered)
    },
  )
  fc.assert(property, { numRuns: amount({ quick: 66, deep: 200 }) })
})
