import { inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Extent } from '../../src/bytes/extents.js'
import { type CellGrid, gatherCells } from '../../src/formats/picture/cells.js'
import { type LayerState, layerPaint, layerStretches } from '../../src/formats/picture/layer-paint.js'
import { ownerPaint } from '../../src/formats/picture/owner-paint.js'
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
        const { cells } = await gatherCells(layerStretches(tiles(list)), layerPaint, {
          columns: 8,
          rows: 4,
          virtualSize: total,
        })
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

const grid: CellGrid<LayerState> = {
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
  it('text: shades, dots and blanks', () => expect(encodeText(grid, layerPaint)).toBe('█·\n ▒\n'))

  it('png: its pixels are the colours of the cells', async () => {
    const png = Buffer.from(await encodePng(grid, layerPaint, 3))
    expect(png.readUInt32BE(16)).toBe(6)
    expect(png.readUInt32BE(20)).toBe(6)
    const dataLength = png.readUInt32BE(33)
    expect(png.toString('latin1', 37, 41)).toBe('IDAT')
    const pixels = inflateSync(png.subarray(41, 41 + dataLength))
    const pixel = (x: number, y: number) => [...pixels.subarray(y * 19 + 1 + x * 3, y * 19 + 4 + x * 3)]
    const corners = [pixel(0, 0), pixel(5, 0), pixel(0, 5), pixel(5, 5)]
    expect(corners).toEqual(grid.cells.map((cell) => [...layerPaint.colour(cell)]))
    expect(corners[2]).toEqual([255, 255, 255])
  })

  it('svg: joins cells of one colour', () => {
    const same = { ...grid, cells: grid.cells.map(() => ({ overlay: 1, backing: 0, zero: 0 })) }
    expect(encodeSvg(same, layerPaint).split('<rect ')).toHaveLength(3)
    expect(encodeSvg(grid, layerPaint).split('<rect ')).toHaveLength(5)
  })
})

describe('the owners of bytes', () => {
  const none = { journal: 0, inodeTables: 0, directories: 0, fileData: 0, metadata: 0, free: 0, outside: 0 }

  it('a little of what is in use shows over free space', () => {
    const cell = { ...none, free: 1000, journal: 1 }
    expect(ownerPaint.character(cell)).toBe('J')
    expect(ownerPaint.colour(cell)[1]).toBeLessThan(200)
    expect(ownerPaint.colour({ ...none, free: 5 })).toEqual([255, 255, 255])
    expect(ownerPaint.colour({ ...none, fileData: 5 })).toEqual([40, 100, 210])
  })

  it('the letter is that of the largest part in use', () => {
    expect(ownerPaint.character({ ...none, free: 9, fileData: 2, directories: 3 })).toBe('D')
    expect(ownerPaint.character({ ...none, free: 1, outside: 9 })).toBe('·')
    expect(ownerPaint.character({ ...none, outside: 9 })).toBe(' ')
  })

  it('has a colour of its own for each', () => {
    const colours = ownerPaint.states.map((state) => ownerPaint.colour({ ...none, [state]: 1 }).join())
    expect(new Set(colours).size).toBe(ownerPaint.states.length)
    expect(encodeSvg({ ...grid, cells: [none, none, none, none] }, ownerPaint)).toContain('purple journal, ')
  })
})
