import { type Cell, type CellGrid, overlayShare } from './cells.js'

const shades = ['░', '▒', '▓', '█']

/** Draw a cell as a character: blank for zeros, a dot for the backing file, a shade for the share of the overlay. */
function cellCharacter(cell: Cell): string {
  const share = overlayShare(cell)
  if (share === 0) return cell.backing > 0 ? '·' : ' '
  return shades[Math.min(shades.length - 1, Math.floor(share * shades.length))] ?? ''
}

/** Draw lines of characters for a terminal. */
export function encodeText(grid: CellGrid): string {
  const lines = Array.from({ length: grid.rows }, (_, row) =>
    grid.cells
      .slice(row * grid.columns, (row + 1) * grid.columns)
      .map(cellCharacter)
      .join(''),
  )
  return `${lines.join('\n')}\n`
}
