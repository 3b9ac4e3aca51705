import type { CellGrid, Paint } from './cells.js'

const side = 10

/** Draw an SVG with a rectangle for each stretch of cells of one colour. */
export function encodeSvg<State extends string>(grid: CellGrid<State>, paint: Paint<State>): string {
  const width = grid.columns * side
  const height = grid.rows * side
  const shapes: string[] = []
  for (let row = 0; row < grid.rows; row++) {
    const colours = grid.cells.slice(row * grid.columns, (row + 1) * grid.columns).map(
      (cell) =>
        `#${paint
          .colour(cell)
          .map((value) => value.toString(16).padStart(2, '0'))
          .join('')}`,
    )
    for (let from = 0; from < colours.length; ) {
      let to = from
      while (to < colours.length && colours[to] === colours[from]) to++
      const place = `x="${from * side}" y="${row * side}" width="${(to - from) * side}" height="${side}"`
      shapes.push(`<rect ${place} fill="${colours[from]}"/>`)
      from = to
    }
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `shape-rendering="crispEdges">\n<title>${grid.virtualSize} bytes: ${paint.legend}</title>\n` +
    `${shapes.join('\n')}\n</svg>\n`
  )
}
