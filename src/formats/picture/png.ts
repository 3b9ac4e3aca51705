import { deflateSync } from 'node:zlib'
import { type CellGrid, cellColour } from './cells.js'

// Source: Portable Network Graphics (PNG) Specification, third edition, W3C: 5 (chunks), 11.2 (IHDR, IDAT, IEND).

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1
  return value
})

function crc32(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) value = (crcTable[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length)
  out.writeUInt32BE(data.length, 0)
  out.write(type, 4, 'latin1')
  out.set(data, 8)
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length)
  return out
}

/** A PNG with one square of `scale` pixels for each cell; 8 bits for each of red, green and blue. */
export function encodePng(grid: CellGrid, scale: number): Buffer {
  const width = grid.columns * scale
  const height = grid.rows * scale
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  // Each line starts with its filter, 0 for none.
  const lineLength = 1 + width * 3
  const pixels = Buffer.alloc(lineLength * height)
  for (let row = 0; row < grid.rows; row++) {
    const line = Buffer.alloc(lineLength)
    for (let column = 0; column < grid.columns; column++) {
      const cell = grid.cells[row * grid.columns + column]
      if (cell === undefined) continue
      const colour = cellColour(cell)
      for (let x = 0; x < scale; x++) line.set(colour, 1 + (column * scale + x) * 3)
    }
    for (let y = 0; y < scale; y++) line.copy(pixels, (row * scale + y) * lineLength)
  }
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels)),
    chunk('IEND', new Uint8Array(0)),
  ])
}
