import type { Extent } from '../../bytes/extents.js'
import { type Cell, type Colour, mixColours, type Paint, type Stretch } from './cells.js'

/** Where bytes come from. */
export type LayerState = 'overlay' | 'backing' | 'zero'

export async function* layerStretches(extents: AsyncIterable<Extent>): AsyncGenerator<Stretch<LayerState>> {
  for await (const { length, depth, data, zero } of extents) {
    yield { length, state: zero || !data ? 'zero' : depth === 0 ? 'overlay' : 'backing' }
  }
}

const shades = ['░', '▒', '▓', '█']

/** Compute the part of a cell that the overlay supplies, 0 to 1. */
function overlayShare({ overlay, backing, zero }: Readonly<Cell<LayerState>>): number {
  const total = overlay + backing + zero
  return total === 0 ? 0 : overlay / total
}

/** Draw where the bytes of an image come from. */
export const layerPaint: Paint<LayerState> = {
  states: ['overlay', 'backing', 'zero'],
  legend: 'red overlay, blue backing file, white zeros',

  /** Blue for the backing file, white for zeros, and over both a red that always shows. */
  colour(cell) {
    const rest = cell.backing + cell.zero
    const below = rest === 0 ? 0 : cell.backing / rest
    const base: Colour = [255 - 105 * below, 255 - 70 * below, 255 - 25 * below]
    const weight = cell.overlay === 0 ? 0 : 0.3 + 0.7 * overlayShare(cell)
    return mixColours(base, [200, 40, 30], weight)
  },

  /** Blank for zeros, a dot for the backing file, a shade for the share of the overlay. */
  character(cell) {
    const share = overlayShare(cell)
    if (share === 0) return cell.backing > 0 ? '·' : ' '
    return shades[Math.min(shades.length - 1, Math.floor(share * shades.length))] ?? ''
  },
}
