/** One of the equal parts of an image: how many of its bytes are in each state. */
export type Cell<State extends string> = Record<State, number>

/** A picture of an image: `columns * rows` cells, row by row. */
export interface CellGrid<State extends string> {
  readonly columns: number
  readonly rows: number
  readonly cells: readonly Readonly<Cell<State>>[]
  readonly virtualSize: number
}

/** Red, green and blue, 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number]

/** How cells are drawn. */
export interface Paint<State extends string> {
  readonly states: readonly State[]
  colour(cell: Readonly<Cell<State>>): Colour
  /** For a terminal. */
  character(cell: Readonly<Cell<State>>): string
  /** What the colours mean. */
  readonly legend: string
}

/** Some bytes that follow those before them, in one state. */
export interface Stretch<State extends string> {
  readonly length: number
  readonly state: State
}

/** Compute where cell `index` starts, in bytes. It is exact up to 2^53 divided by the number of cells. */
function cellStart(index: number, count: number, virtualSize: number): number {
  return Math.floor((virtualSize / count) * index)
}

/**
 * Add up stretches by cell. A long one takes a step for each cell that it touches, not for each byte.
 *
 * @param stretches  stretches that tile `virtualSize` bytes, in order
 */
export async function gatherCells<State extends string>(
  stretches: AsyncIterable<Stretch<State>>,
  { states }: Pick<Paint<State>, 'states'>,
  { columns, rows, virtualSize }: Omit<CellGrid<State>, 'cells'>,
): Promise<CellGrid<State>> {
  const count = columns * rows
  const cells = Array.from({ length: count }, () => emptyCell(states))
  let index = 0
  let at = 0
  for await (const { length, state } of stretches) {
    const end = at + length
    while (at < end) {
      while (index < count - 1 && cellStart(index + 1, count, virtualSize) <= at) index++
      const cellEnd = index === count - 1 ? virtualSize : cellStart(index + 1, count, virtualSize)
      const part = Math.min(end, cellEnd) - at
      const cell = cells[index]
      if (cell === undefined || part <= 0) throw new Error('unreachable: a stretch beyond the image')
      cell[state] += part
      at += part
    }
  }
  return { columns, rows, cells, virtualSize }
}

function emptyCell<State extends string>(states: readonly State[]): Cell<State> {
  return Object.fromEntries(states.map((state) => [state, 0])) as Cell<State>
}

/** Put a colour over another one. @param weight  0 to 1 */
export function mixColours(below: Colour, above: Colour, weight: number): Colour {
  const mix = (a: number, b: number) => Math.round(a + (b - a) * weight)
  return [mix(below[0], above[0]), mix(below[1], above[1]), mix(below[2], above[2])]
}
