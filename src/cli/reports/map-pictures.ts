import { formatSize } from '../../bytes/size-text.js'
import type { ExtOwner } from '../../filesystems/ext/index.js'
import { type CellGrid, gatherCells, type Paint, type Stretch } from '../../formats/picture/cells.js'
import { layerPaint, layerStretches } from '../../formats/picture/layer-paint.js'
import { ownerLooks, ownerPaint } from '../../formats/picture/owner-paint.js'
import { encodePng } from '../../formats/picture/png.js'
import { encodeSvg } from '../../formats/picture/svg.js'
import { encodeText } from '../../formats/picture/text.js'
import type { ForceWord } from '../../machine/findings.js'
import { writeBytes } from '../../overlays/write-bytes.js'
import type { ImageMap } from '../../verbs/map/index.js'
import type { MapExtent } from '../../verbs/map/split-owners.js'
import type { CliContext } from '../context.js'

export interface PictureFlags {
  readonly owners?: boolean | undefined
  readonly picture?: boolean
  readonly svg?: string
  readonly png?: string
  readonly overwrite?: boolean
  readonly force?: readonly ForceWord[] | undefined
}

const terminalGrid = { columns: 64, rows: 16 }
const pictureGrid = { columns: 128, rows: 64 }
const pngScale = 6

/** True when the flags ask for a picture. */
export function isPicture({ picture, svg, png }: PictureFlags): boolean {
  return picture === true || svg !== undefined || png !== undefined
}

/** Draw an image in the terminal, or into the files that the flags name. */
export async function drawMap(context: CliContext, image: ImageMap, flags: PictureFlags): Promise<void> {
  if (flags.owners) {
    await drawAs(context, image, flags, {
      paint: ownerPaint,
      stretches: ownerStretches(image.extents),
      legendOf: ownerLegend,
    })
  } else {
    const legendOf = () => 'overlay ░▒▓█  backing file ·  zeros blank; '
    await drawAs(context, image, flags, { paint: layerPaint, stretches: layerStretches(image.extents), legendOf })
  }
}

interface Subject<State extends string> {
  readonly paint: Paint<State>
  readonly stretches: AsyncIterable<Stretch<State>>
  readonly legendOf: (grid: CellGrid<State>) => string
}

/** Draws all pictures from one walk over the map. */
async function drawAs<State extends string>(
  context: CliContext,
  image: ImageMap,
  flags: PictureFlags,
  { paint, stretches, legendOf }: Subject<State>,
): Promise<void> {
  const { columns, rows } = flags.picture ? terminalGrid : pictureGrid
  const grid = await gatherCells(stretches, paint, { columns, rows, virtualSize: image.mappedLength })
  if (flags.picture) {
    const cellSize = formatSize(Math.round(image.mappedLength / (columns * rows)))
    await context.print(`${encodeText(grid, paint)}${legendOf(grid)}each character is ${cellSize}\n`)
  }
  const options = { overwrite: flags.overwrite, force: flags.force, inputs: image.layers, signal: context.signal }
  const pictures: [string, Uint8Array][] = []
  if (flags.svg !== undefined) pictures.push([flags.svg, Buffer.from(encodeSvg(grid, paint))])
  if (flags.png !== undefined) pictures.push([flags.png, await encodePng(grid, paint, pngScale)])
  const warnings = new Set<string>()
  for (const [path, bytes] of pictures) {
    for (const warning of (await writeBytes(path, bytes, options)).warnings) warnings.add(warning)
  }
  for (const warning of warnings) context.warn(warning)
}

async function* ownerStretches(extents: AsyncIterable<MapExtent>): AsyncGenerator<Stretch<ExtOwner>> {
  for await (const { length, owner } of extents) {
    if (owner === undefined) throw new Error('unreachable: an extent without an owner')
    yield { length, state: owner }
  }
}

/** A line for each owner of any bytes. */
function ownerLegend({ cells }: CellGrid<ExtOwner>): string {
  const lines: string[] = []
  for (const state of ownerPaint.states) {
    const { letter, name } = ownerLooks[state]
    const length = cells.reduce((sum, cell) => sum + cell[state], 0)
    if (length > 0) lines.push(`${letter}  ${name.padEnd(16)}${formatSize(length).padStart(10)}\n`)
  }
  return lines.join('')
}
