import type { Extent } from '../../bytes/extents.js'

/** One of the equal parts of an image: how many of its bytes come from each source. */
export interface Cell {
  overlay: number
  backing: number
  zero: number
}

/** A picture of an image: `columns * rows` cells, row by row. */
export interface CellGrid {
  readonly columns: number
  readonly rows: number
  readonly cells: readonly Cell[]
  readonly virtualSize: number
}

/** Compute where cell `index` starts, in bytes. It is exact up to 2^53 divided by the number of cells. */
function cellStart(index: number, count: number, virtualSize: number): number {
  return Math.floor((virtualSize / count) * index)
}

/**
 * Add up extents by cell. A long extent takes a step for each cell that it touches, not for each byte.
 *
 * @param extents  extents that tile `virtualSize` bytes, in order
 */
export async function gatherCells(
  extents: AsyncIterable<Extent>,
  virtualSize: number,
  columns: number,
  rows: number,
): Promise<CellGrid> {
  const count = columns * rows
  const cells: Cell[] = Array.from({ length: count }, () => ({ overlay: 0, backing: 0, zero: 0 }))
  let index = 0
  let at = 0
  for await (const { length, depth, data, zero } of extents) {
    const state = zero || !data ? 'zero' : depth === 0 ? 'overlay' : 'backing'
    const end = at + length
    while (at < end) {
      while (index < count - 1 && cellStart(index + 1, count, virtualSize) <= at) index++
      const cellEnd = index === count - 1 ? virtualSize : cellStart(index + 1, count, virtualSize)
      const part = Math.min(end, cellEnd) - at
      const cell = cells[index]
      if (cell === undefined || part <= 0) throw new Error('unreachable: an extent beyond the image')
      cell[state] += part
      at += part
    }
  }
  return { columns, rows, cells, virtualSize }
}

/** Compute the part of a cell that the overlay supplies, 0 to 1. */
export function overlayShare({ overlay, backing, zero }: Cell): number {
  const total = overlay + backing + zero
  return total === 0 ? 0 : overlay / total
}

/** Mix the colour of a cell: blue for the backing file, white for zeros, and over both a red that always shows. */
export function cellColour(cell: Cell): readonly [red: number, green: number, blue: number] {
  const total = cell.overlay + cell.backing + cell.zero
  if (total === 0) return [255, 255, 255]
  const rest = cell.backing + cell.zero
  const below = rest === 0 ? 0 : cell.backing / rest
  const base = [255 - 105 * below, 255 - 70 * below, 255 - 25 * below]
  const top = [200, 40, 30]
  const weight = cell.overlay === 0 ? 0 : 0.3 + 0.7 * overlayShare(cell)
  const mix = base.map((value, i) => Math.round(value + ((top[i] ?? 0) - value) * weight))
  return [mix[0] ?? 0, mix[1] ?? 0, mix[2] ?? 0]
}
