import { type Cell, type Colour, mixColours, type Paint } from './cells.js'

/** What bytes are for, as a file system has it. */
export type OwnerState = 'journal' | 'inodeTables' | 'directories' | 'fileData' | 'metadata' | 'free' | 'outside'

/** How an owner is shown. */
export interface OwnerLook {
  readonly name: string
  readonly letter: string
  readonly colourName: string
  readonly colour: Colour
}

const white: Colour = [255, 255, 255]

export const ownerLooks: Readonly<Record<OwnerState, OwnerLook>> = {
  journal: { name: 'journal', letter: 'J', colourName: 'purple', colour: [130, 50, 160] },
  inodeTables: { name: 'inode tables', letter: 'I', colourName: 'orange', colour: [240, 140, 0] },
  directories: { name: 'directories', letter: 'D', colourName: 'green', colour: [20, 140, 60] },
  fileData: { name: 'file data', letter: 'F', colourName: 'blue', colour: [40, 100, 210] },
  metadata: { name: 'other metadata', letter: 'M', colourName: 'red', colour: [200, 40, 30] },
  free: { name: 'free', letter: '·', colourName: 'white', colour: white },
  outside: { name: 'outside', letter: ' ', colourName: 'grey', colour: [200, 200, 200] },
}

const states = Object.keys(ownerLooks) as OwnerState[]
const used = states.filter((state) => state !== 'free' && state !== 'outside')

/** Draw what the bytes of an image are for. */
export const ownerPaint: Paint<OwnerState> = {
  states,
  legend: states.map((state) => `${ownerLooks[state].colourName} ${ownerLooks[state].name}`).join(', '),

  /** The mean colour of what is in use, over that of the rest: a little of it always shows. */
  colour(cell) {
    const [inUse, rest] = [sumOf(cell, used), cell.free + cell.outside]
    const below = rest === 0 ? white : mixColours(white, ownerLooks.outside.colour, cell.outside / rest)
    if (inUse === 0) return below
    const mean = (i: 0 | 1 | 2) =>
      used.reduce((sum, state) => sum + (ownerLooks[state].colour[i] * cell[state]) / inUse, 0)
    return mixColours(below, [mean(0), mean(1), mean(2)], 0.3 + (0.7 * inUse) / (inUse + rest))
  },

  /** The letter of what has most of the bytes in use. */
  character(cell) {
    const most = used.reduce((best, state) => (cell[state] > cell[best] ? state : best))
    if (cell[most] > 0) return ownerLooks[most].letter
    return ownerLooks[cell.free > 0 ? 'free' : 'outside'].letter
  },
}

function sumOf(cell: Readonly<Cell<OwnerState>>, of: readonly OwnerState[]): number {
  return of.reduce((sum, state) => sum + cell[state], 0)
}
