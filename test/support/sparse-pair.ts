import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'
import path from 'node:path'
import { sectorText, setMtime, writeOverlay } from '../cli/scene.js'
import { mergeNaively, naiveFacts } from './naive.js'
import { temporaryDirectory } from './paths.js'

const mebibyte = 2 ** 20

/** A pair whose backing file has more holes than it takes to ask a helper about them. */
export interface SparsePair {
  readonly directory: string
  readonly backing: string
  readonly cow: string
  /** A place for a merge, in the same directory. */
  readonly target: string
  readonly virtualSize: number
}

/** No multiple of 4 KiB, nor of a helper's blocks. */
const virtualSize = 70 * mebibyte + 3 * 512

/** Stretches of data in the backing file, bytes. */
const stretches = [
  [0, 8192],
  [20 * mebibyte, 21 * mebibyte],
  [21 * mebibyte + 200_000, 22 * mebibyte],
  [virtualSize - 700, virtualSize],
] as const

const zeros = Buffer.alloc(512)

/** Zeros over data, whole blocks and parts of blocks; data over holes; the first and the last sector. */
function overlaySectors(): Map<number, Buffer | null> {
  const sectors = new Map<number, Buffer | null>()
  const first = (20 * mebibyte) / 512
  for (let sector = first + 3; sector < first + 40; sector++) sectors.set(sector, sector % 2 === 0 ? zeros : null)
  for (const sector of [0, 9, 5000, 5001, first - 1, first + 100, 90_000, virtualSize / 512 - 1]) {
    sectors.set(sector, sectorText('overlay', sector))
  }
  return sectors
}

export function makeSparsePair(directory = temporaryDirectory()): SparsePair {
  const backing = path.join(directory, 'root_fs')
  const fd = openSync(backing, 'w', 0o644)
  for (const [start, end] of stretches) writeSync(fd, Buffer.alloc(end - start, 'backing '), 0, end - start, start)
  ftruncateSync(fd, virtualSize)
  closeSync(fd)
  setMtime(backing)
  const cow = path.join(directory, 'cow')
  writeOverlay(cow, { virtualSize, backing, sectors: overlaySectors() })
  return { directory, backing, cow, target: path.join(directory, 'merged'), virtualSize }
}

/** Where its data lies, as a file system with blocks of 4 KiB would tell. */
export function dataOf(size = virtualSize): Float64Array {
  return Float64Array.from(
    stretches.flatMap(([start, end]) => [start - (start % 4096), Math.min(size, Math.ceil(end / 4096) * 4096)]),
  )
}

let expected: Buffer | undefined

/** What a guest sees, by the naive merge: the same for every such pair, and slow to find out. */
export function mergedBytes({ cow, backing }: SparsePair): Buffer {
  expected ??= Buffer.from(
    mergeNaively(readFileSync(cow), readFileSync(backing), naiveFacts('v3', virtualSize, 512, 4096)).buffer,
  )
  return expected
}

/** Whether a file has these bytes and no others. By windows: a new buffer for a whole image takes longer than the image. */
export function hasBytes(file: string, expected: Uint8Array): boolean {
  const fd = openSync(file, 'r')
  try {
    if (fstatSync(fd).size !== expected.length) return false
    for (let at = 0; at < expected.length; ) {
      const count = readSync(fd, window, 0, window.length, at)
      const seen = window.subarray(0, count)
      if (count === 0 || Buffer.compare(seen, expected.subarray(at, at + count)) !== 0) return false
      at += count
    }
    return true
  } finally {
    closeSync(fd)
  }
}

const window = Buffer.alloc(2 ** 18)

/** Bytes that the host stores of a file, about: file systems reserve some on the side. */
export function storedSize(file: string): number {
  return statSync(file).blocks * 512
}
