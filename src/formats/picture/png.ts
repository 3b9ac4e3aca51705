import { crc32 } from '../../bytes/crc32.js'
import { concatBytes, latin1Bytes } from '../../bytes/fast.js'
import { viewOf } from '../../bytes/struct.js'
import type { CellGrid, Paint } from './cells.js'

// Source: Portable Network Graphics (PNG) Specification, third edition, W3C: 5 (chunks), 11.2 (IHDR, IDAT, IEND).

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

function chunk(type: string, data: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + data.length)
  const view = viewOf(out)
  view.setUint32(0, data.length)
  out.set(latin1Bytes(type), 4)
  out.set(data, 8)
  view.setUint32(8 + data.length, crc32(out.subarray(4, 8 + data.length)))
  return out
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate')).getReader()
  const parts: Uint8Array[] = []
  for (let next = await reader.read(); !next.done; next = await reader.read()) parts.push(next.value)
  return concatBytes(parts)
}

/** Draw a PNG with a square of `scale` pixels for each cell, and 8 bits for each of red, green and blue. */
export async function encodePng<State extends string>(
  grid: CellGrid<State>,
  paint: Paint<State>,
  scale: number,
): Promise<Uint8Array> {
  const width = grid.columns * scale
  const height = grid.rows * scale
  const header = new Uint8Array(13)
  const view = viewOf(header)
  view.setUint32(0, width)
  view.setUint32(4, height)
  header.set([8, 2, 0, 0, 0], 8)
  // Each line starts with the number of its filter: 0, no filter.
  const lineLength = 1 + width * 3
  const pixels = new Uint8Array(lineLength * height)
  for (let row = 0; row < grid.rows; row++) {
    const line = new Uint8Array(lineLength)
    for (let column = 0; column < grid.columns; column++) {
      const cell = grid.cells[row * grid.columns + column]
      if (cell === undefined) continue
      const colour = paint.colour(cell)
      for (let x = 0; x < scale; x++) line.set(colour, 1 + (column * scale + x) * 3)
    }
    for (let y = 0; y < scale; y++) pixels.set(line, (row * scale + y) * lineLength)
  }
  return concatBytes([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', await deflate(pixels)),
    chunk('IEND', new Uint8Array(0)),
  ])
}
