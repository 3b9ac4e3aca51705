import type { CellGrid, Paint } from './cells.js'

/** Draw lines of characters for a terminal. */
export function encodeText<State extends string>(grid: CellGrid<State>, paint: Paint<State>): string {
  const lines = Array.from({ length: grid.rows }, (_, row) =>
    grid.cells
      .slice(row * grid.columns, (row + 1) * grid.columns)
      .map((cell) => paint.character(cell))
      .join(''),
  )
  return `${lines.join('\n')}\n`
}
