import { inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Extent } from '../../src/bytes/extents.js'
import { type CellGrid, cellColour, gatherCells } from '../../src/formats/picture/cells.js'
import { encodePng } from '../../src/formats/picture/png.js'
import { encodeSvg } from '../../src/formats/picture/svg.js'
import { encodeText } from '../../src/formats/picture/text.js'

async function* tiles(lengths: readonly number[]): AsyncGenerator<Extent> {
  let start = 0
  for (const [i, length] of lengths.entries()) {
    yield { start, length, depth: i % 2, data: i % 3 !== 2, zero: i % 3 === 2 }
    start += length
  }
}

function stateOf(index: number): 'overlay' | 'backing' | 'zero' {
  return index % 3 === 2 ? 'zero' : index % 2 === 0 ? 'overlay' : 'backing'
}

describe('gatherCells', () => {
  it('puts every byte into exactly one cell', async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(lengths, async (list) => {
        const total = list.reduce((sum, length) => sum + length, 0)
        const { cells } = await gatherCells(tiles(list), total, 8, 4)
        const sum = { overlay: 0, backing: 0, zero: 0 }
        for (const cell of cells) for (const state of ['overlay', 'backing', 'zero'] as const) sum[state] += cell[state]
        const expected = { overlay: 0, backing: 0, zero: 0 }
        for (const [i, length] of list.entries()) expected[stateOf(i)] += length
        expect(sum).toEqual(expected)
        const shares = cells.map((cell) => cell.overlay + cell.backing + cell.zero)
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1 + total / 32)
      }),
    )
  })
})

const grid: CellGrid = {
  columns: 2,
  rows: 2,
  virtualSize: 400,
  cells: [
    { overlay: 100, backing: 0, zero: 0 },
    { overlay: 0, backing: 100, zero: 0 },
    { overlay: 0, backing: 0, zero: 100 },
    { overlay: 30, backing: 70, zero: 0 },
  ],
}

describe('pictures', () => {
  it('text: shades, dots and blanks', () => expect(encodeText(grid)).toBe('█·\n ▒\n'))

  it('png: its pixels are the colours of the cells', async () => {
    const png = Buffer.from(await encodePng(grid, 3))
    expect(png.readUInt32BE(16)).toBe(6)
    expect(png.readUInt32BE(20)).toBe(6)
    const dataLength = png.readUInt32BE(33)
    expect(png.toString('latin1', 37, 41)).toBe('IDAT')
    const pixels = inflateSync(png.subarray(41, 41 + dataLength))
    const pixel = (x: number, y: number) => [...pixels.subarray(y * 19 + 1 + x * 3, y * 19 + 4 + x * 3)]
    const corners = [pixel(0, 0), pixel(5, 0), pixel(0, 5), pixel(5, 5)]
    expect(corners).toEqual(grid.cells.map((cell) => [...cellColour(cell)]))
    expect(corners[2]).toEqual([255, 255, 255])
  })

  it('svg: joins cells of one colour', () => {
    const same = { ...grid, cells: grid.cells.map(() => ({ overlay: 1, backing: 0, zero: 0 })) }
    expect(encodeSvg(same).split('<rect ')).toHaveLength(3)
    expect(encodeSvg(grid).split('<rect ')).toHaveLength(5)
  })
})
