import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CowLayout, computeLayout, type HeaderLayout, maxHeaderSize } from '../../../src/formats/cow/index.js'
import { runs } from '../../support/amount.js'
import { naiveFacts } from '../../support/naive.js'

const KiB = 1024
const MiB = 1024 ** 2
const GiB = 1024 ** 3
const TiB = 1024 ** 4

interface Row {
  readonly layout: HeaderLayout
  readonly size: number
  readonly sector: number
  readonly alignment: number
  readonly bitmapOffset: number
  readonly bitmapLength: number
  readonly dataOffset: number
  readonly sectorCount: number
  readonly bitCount: number
}

/** Worked out by hand from the table of the format's page. */
function row(
  layout: HeaderLayout,
  [size, sector, alignment]: readonly [number, number, number],
  [bitmapOffset, bitmapLength, dataOffset]: readonly [number, number, number],
  [sectorCount, bitCount]: readonly [number, number],
): Row {
  return { layout, size, sector, alignment, bitmapOffset, bitmapLength, dataOffset, sectorCount, bitCount }
}

const rows: readonly Row[] = [
  // Version 3: everything rounds up.
  row('v3', [0, 512, 4096], [8192, 0, 8192], [0, 0]),
  row('v3', [1, 512, 4096], [8192, 1, 12_288], [1, 1]),
  row('v3', [512, 512, 4096], [8192, 1, 12_288], [1, 1]),
  row('v3', [513, 512, 4096], [8192, 1, 12_288], [2, 2]),
  row('v3', [8 * 512, 512, 4096], [8192, 1, 12_288], [8, 8]),
  row('v3', [8 * 512 + 1, 512, 4096], [8192, 2, 12_288], [9, 9]),
  row('v3', [MiB, 512, 4096], [8192, 256, 12_288], [2048, 2048]),
  row('v3', [16 * MiB, 512, 4096], [8192, 4096, 12_288], [32_768, 32_768]),
  row('v3', [16 * MiB + 1, 512, 4096], [8192, 4097, 16_384], [32_769, 32_769]),
  row('v3', [200 * 512 + 100, 512, 4096], [8192, 26, 12_288], [201, 201]),
  row('v3', [25 * 4096, 4096, 4096], [8192, 4, 12_288], [25, 25]),
  row('v3', [MiB, MiB, 4096], [8192, 1, 12_288], [1, 1]),
  row('v3', [96 * KiB, 512, 1], [4128, 24, 4152], [192, 192]),
  row('v3', [197 * 512, 512, 3], [4128, 25, 4155], [197, 197]),
  row('v3', [96 * KiB, 512, 512], [4608, 24, 5120], [192, 192]),
  row('v3', [96 * KiB, 512, 5000], [5000, 24, 10_000], [192, 192]),
  row('v3', [96 * KiB, 512, 65_536], [65_536, 24, 131_072], [192, 192]),
  row('v3', [96 * KiB, 512, GiB], [GiB, 24, 2 * GiB], [192, 192]),
  row('v3', [0, 512, GiB], [GiB, 0, GiB], [0, 0]),
  // Beyond 32 bits of sectors and of bytes of bitmap.
  row('v3', [TiB, 512, 4096], [8192, 2 ** 28, 8192 + 2 ** 28], [2 ** 31, 2 ** 31]),
  row('v3', [4 * 1024 * TiB, 512, 4096], [8192, 2 ** 40, 8192 + 2 ** 40], [2 ** 43, 2 ** 43]),
  row('v3', [2 ** 53 - 1, 512, 4096], [8192, 2 ** 41, 8192 + 2 ** 41], [2 ** 44, 2 ** 44]),
  row(
    'v3',
    [2 ** 53 - 2 ** 43, 512, 3],
    [4128, 2 ** 41 - 2 ** 31, 2_196_875_776_032],
    [2 ** 44 - 2 ** 34, 2 ** 44 - 2 ** 34],
  ),
  // The padded layout: the same with a header of 4136 bytes.
  row('v3padded', [96 * KiB, 512, 4096], [8192, 24, 12_288], [192, 192]),
  row('v3padded', [100 * 512, 512, 3], [4137, 13, 4152], [100, 100]),
  row('v3padded', [100 * 512, 512, 8], [4136, 13, 4152], [100, 100]),
  row('v3padded', [0, 512, 1], [4136, 0, 4136], [0, 0]),
  // Versions 1 and 2: the bitmap's length rounds down, so that up to 7 sectors have no bit.
  row('v1', [0, 512, 512], [280, 0, 512], [0, 0]),
  row('v1', [512, 512, 512], [280, 0, 512], [1, 0]),
  row('v1', [7 * 512, 512, 512], [280, 0, 512], [7, 0]),
  row('v1', [7 * 512 + 1, 512, 512], [280, 1, 512], [8, 8]),
  row('v1', [8 * 512, 512, 512], [280, 1, 512], [8, 8]),
  row('v1', [9 * 512, 512, 512], [280, 1, 512], [9, 8]),
  row('v1', [15 * 512, 512, 512], [280, 1, 512], [15, 8]),
  row('v1', [15 * 512 + 1, 512, 512], [280, 2, 512], [16, 16]),
  row('v1', [195 * 512, 512, 512], [280, 24, 512], [195, 192]),
  row('v1', [MiB, 512, 512], [280, 256, 1024], [2048, 2048]),
  row('v1', [232 * 8 * 512, 512, 512], [280, 232, 512], [1856, 1856]),
  row('v1', [233 * 8 * 512, 512, 512], [280, 233, 1024], [1864, 1864]),
  row('v1', [25 * 4096, 4096, 4096], [280, 3, 4096], [25, 24]),
  row('v1', [8 * MiB, MiB, MiB], [280, 1, MiB], [8, 8]),
  row('v2', [96 * KiB, 512, 512], [4120, 24, 4608], [192, 192]),
  row('v2', [199 * 512, 512, 512], [4120, 24, 4608], [199, 192]),
  row('v2', [199 * 512 + 1, 512, 512], [4120, 25, 4608], [200, 200]),
  row('v2', [TiB, 512, 512], [4120, 2 ** 28, 2 ** 28 + 4608], [2 ** 31, 2 ** 31]),
  row('v2', [TiB + 5 * 512, 512, 512], [4120, 2 ** 28, 2 ** 28 + 4608], [2 ** 31 + 5, 2 ** 31]),
]

function layoutOf({
  layout,
  size,
  sector,
  alignment,
}: Pick<Row, 'layout' | 'size' | 'sector' | 'alignment'>): CowLayout {
  return computeLayout({ layout, virtualSize: size, sectorSize: sector, alignment })
}

describe('computeLayout', () => {
  test.each(rows)('$layout, $size bytes in sectors of $sector, alignment $alignment', (expected) => {
    const { layout, size, sector, alignment, ...places } = expected
    expect(layoutOf(expected)).toEqual({
      ...places,
      headerSize: { v1: 280, v2: 4120, v3: 4128, v3padded: 4136 }[layout],
      dataLength: places.sectorCount * sector,
    })
  })

  test('agrees with exact integers for any header that can be parsed', () => {
    const property = fc.property(
      fc.constantFrom<HeaderLayout[]>('v1', 'v2', 'v3', 'v3padded'),
      fc.oneof(fc.nat(100_000), fc.integer({ min: 0, max: 2 ** 52 })),
      fc.integer({ min: 9, max: 20 }).map((power) => 2 ** power),
      fc.oneof(
        fc.integer({ min: 1, max: 2 ** 30 }),
        fc.nat(30).map((power) => 2 ** power),
      ),
      (layout, size, sector, anyAlignment) => {
        const alignment = layout === 'v1' || layout === 'v2' ? sector : anyAlignment
        const { bitmapOffset, bitmapLength, dataOffset, bitCount, sectorCount } = layoutOf({
          layout,
          size,
          sector,
          alignment,
        })
        const expected = naiveFacts(layout, size, sector, alignment)
        expect({ bitmapOffset, bitmapLength, dataOffset }).toEqual({
          bitmapOffset: expected.bitmapOffset,
          bitmapLength: expected.bitmapLength,
          dataOffset: expected.dataOffset,
        })
        expect(sectorCount - bitCount).toBeLessThan(8)
        expect(bitCount).toBeLessThanOrEqual(bitmapLength * 8)
        expect(bitCount === sectorCount || bitCount % 8 === 0).toBe(true)
      },
    )
    fc.assert(property, { numRuns: runs(1000) })
  })

  test('has a longest header', () => {
    const sizes = (['v1', 'v2', 'v3', 'v3padded'] as const).map(
      (layout) => layoutOf({ layout, size: 0, sector: 512, alignment: 512 }).headerSize,
    )
    expect(Math.max(...sizes)).toBe(maxHeaderSize)
  })
})
