import { closeSync, ftruncateSync, openSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { mergeNaively, type NaiveFacts, type NaiveLayoutName, naiveFacts } from './naive.js'

// Random overlays with their backing files and the right answer. Headers are written byte by byte here: nothing is
// shared with src/formats, so that a mistake there cannot hide itself. The same seed gives the same bytes.

export type PairLayout = NaiveLayoutName

/** Which sectors are allocated. */
export type PairPattern =
  | 'empty'
  | 'full'
  | 'alternating'
  /** Each sector by a throw of the dice. */
  | 'random'
  /** Runs and gaps of random length. */
  | 'runs'
  /** The first and the last sector. */
  | 'ends'

export interface GenerateOptions {
  readonly layout?: PairLayout | undefined
  readonly virtualSize?: number | undefined
  readonly sectorSize?: number | undefined
  /** Versions 1 and 2 have none: there it is taken for the sector size. */
  readonly alignment?: number | undefined
  readonly pattern?: PairPattern | undefined
  /** Length of the backing file; the virtual size unless the two should disagree. */
  readonly backingSize?: number | undefined
  /** Set bits that stand for no sector, as a kernel may leave them; else the dice decide. */
  readonly strayBits?: boolean | undefined
  /** The path in the header. */
  readonly headerPath?: string | Uint8Array | undefined
}

export interface GeneratedPair {
  /** Says everything that makes the pair again. */
  readonly name: string
  readonly layout: PairLayout
  readonly pattern: PairPattern
  readonly sectorSize: number
  readonly alignment: number
  readonly virtualSize: number
  readonly facts: NaiveFacts
  readonly overlayBytes: Uint8Array
  readonly backingBytes: Uint8Array
  /** Of the backing file, seconds, as in the header. */
  readonly mtime: number
  /** 1 for each sector that the overlay supplies, 0 for each that the backing file does. */
  readonly supplied: Uint8Array
  /** What the guest sees, by `mergeNaively`. */
  readonly merged: Uint8Array
  /** Why uml_moo makes something else of it, or null when it must agree. */
  readonly mooMayDiffer: string | null
}

export interface Dice {
  /** A whole number from 0 to below `limit`, at most 2^32. */
  below(limit: number): number
  /** True once in `times`. */
  once(times: number): boolean
  pick<T>(choices: readonly T[]): T
  fill(bytes: Uint8Array): void
}

/** Random numbers from a seed. @see Tommy Ettinger's mulberry32 */
export function createDice(seed: number): Dice {
  let state = (seed ^ 0x5bd1e995) >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number) => Math.floor((next() / 2 ** 32) * limit)
  return {
    below,
    once: (times) => below(times) === 0,
    pick: (choices) => choices[below(choices.length)]!,
    fill(bytes) {
      for (let i = 0; i < bytes.length; i++) bytes[i] = next() % 256
    },
  }
}

export const pairLayouts: readonly PairLayout[] = [
  'v1',
  'v1big',
  'v1hybrid',
  'v2',
  'v2little',
  'v3',
  'v3little',
  'v3padded',
]
export const pairPatterns: readonly PairPattern[] = ['empty', 'full', 'alternating', 'random', 'runs', 'ends']

const largestSize = 2 * 1024 * 1024

export function isOldLayout(layout: PairLayout): boolean {
  return layout.startsWith('v1') || layout.startsWith('v2')
}

/**
 * An overlay, its backing file and what a guest sees of the two.
 *
 * Nothing tells the byte order of an empty disk in version 1 with a big-endian magic, so these two layouts have at
 * least one byte unless the size is forced.
 */
export function generatePair(seed: number, options: GenerateOptions = {}): GeneratedPair {
  const dice = createDice(seed)
  const layout = options.layout ?? dice.pick(pairLayouts)
  const sectorSize = options.sectorSize ?? dice.pick([512, 512, 512, 512, 1024, 4096, 32768])
  const drawnAlignment = dice.pick([4096, 4096, 4096, 512, 1, 3, 8192, 65536])
  const alignment = isOldLayout(layout) ? sectorSize : (options.alignment ?? drawnAlignment)
  const drawnSize = drawSize(dice, layout, sectorSize)
  const virtualSize = options.virtualSize ?? drawnSize
  const pattern = options.pattern ?? dice.pick([...pairPatterns, 'random', 'runs'])
  const mtime = 2 ** 30 + dice.below(2 ** 30)
  const facts = naiveFacts(layout, virtualSize, sectorSize, alignment)

  const backingBytes = drawBacking(dice, options.backingSize ?? virtualSize)
  const sectorCount = Math.ceil(virtualSize / sectorSize)
  const bitCount = Math.min(sectorCount, facts.bitmapLength * 8)
  const supplied = new Uint8Array(sectorCount)
  supplied.set(drawSectors(dice, pattern, bitCount))

  const overlayBytes = new Uint8Array(facts.dataOffset + virtualSize)
  const field = overlayBytes.subarray(0, facts.headerSize)
  // A longer path stood there once: what is left of it behind the NUL is noise to a reader.
  if (dice.once(2)) dice.fill(field)
  writeHeader(field, layout, { mtime, virtualSize, sectorSize, alignment })
  writeHeaderPath(field, layout, options.headerPath ?? 'root_fs')
  for (let sector = 0; sector < sectorCount; sector++) {
    if (supplied[sector] === 1) supplySector(dice, overlayBytes, facts, sector)
  }
  const drawnStray = dice.once(4)
  if (options.strayBits ?? drawnStray) setStrayBits(dice, overlayBytes, facts, bitCount)

  return {
    name: `seed ${seed}, ${layout}, ${pattern}, sectors of ${sectorSize}, alignment ${alignment}, ${virtualSize} bytes`,
    layout,
    pattern,
    sectorSize,
    alignment,
    virtualSize,
    facts,
    overlayBytes,
    backingBytes,
    mtime,
    supplied,
    merged: mergeNaively(overlayBytes, backingBytes, facts),
    mooMayDiffer: mooDifference(layout, virtualSize, sectorSize, bitCount < sectorCount),
  }
}

function mooDifference(layout: PairLayout, virtualSize: number, sectorSize: number, lacksBits: boolean): string | null {
  if (layout === 'v1big') return 'it reads version 1 in its own byte order only'
  if (virtualSize % sectorSize !== 0) return 'it drops the partial last sector'
  return lacksBits ? 'it takes missing bits from the memory behind its bitmap' : null
}

function drawSize(dice: Dice, layout: PairLayout, sectorSize: number): number {
  const most = Math.floor(largestSize / sectorSize)
  const sectors = dice.once(20) ? dice.below(most + 1) : dice.below(Math.min(most, 200) + 1)
  const wholeBytesOfBits = dice.once(2) ? sectors - (sectors % 8) : sectors
  const tail = dice.once(4) ? 1 + dice.below(sectorSize - 1) : 0
  const size = wholeBytesOfBits * sectorSize + tail
  return size === 0 && (layout === 'v1big' || layout === 'v1hybrid') ? sectorSize : size
}

/** Noise with stretches of zeros, some of them whole blocks and some not. */
function drawBacking(dice: Dice, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; ) {
    const end = Math.min(size, at + 1 + dice.below(dice.pick([700, 5000, 40_000])))
    if (!dice.once(3)) dice.fill(bytes.subarray(at, end))
    at = end
  }
  return bytes
}

function drawSectors(dice: Dice, pattern: PairPattern, count: number): Uint8Array {
  const sectors = new Uint8Array(count)
  const rarity = dice.pick([2, 3, 10, 40])
  let runLeft = 0
  let inRun = false
  for (let i = 0; i < count; i++) {
    if (runLeft-- === 0) {
      inRun = !inRun
      runLeft = dice.below(dice.pick([3, 20, 90]))
    }
    const isSet = {
      empty: () => false,
      full: () => true,
      alternating: () => i % 2 === 0,
      random: () => dice.once(rarity),
      runs: () => inRun,
      ends: () => i === 0 || i === count - 1,
    }[pattern]()
    sectors[i] = isSet ? 1 : 0
  }
  return sectors
}

/** Sets the bit and writes data; one sector in five is zeros, over whatever the backing file has there. */
function supplySector(dice: Dice, overlay: Uint8Array, facts: NaiveFacts, sector: number): void {
  setBit(overlay, facts, sector)
  const start = facts.dataOffset + sector * facts.sectorSize
  if (!dice.once(5)) dice.fill(overlay.subarray(start, Math.min(start + facts.sectorSize, overlay.length)))
}

function setBit(overlay: Uint8Array, facts: NaiveFacts, bit: number): void {
  const at = facts.bitmapOffset + Math.floor(bit / 8)
  overlay[at] = overlay[at]! | (1 << (bit % 8))
}

/** Bits after the last sector's, in the bitmap's last byte and where the bitmap of an old layout is too short. */
function setStrayBits(dice: Dice, overlay: Uint8Array, facts: NaiveFacts, bitCount: number): void {
  const room = (facts.dataOffset - facts.bitmapOffset) * 8
  for (let bit = bitCount; bit < Math.min(room, bitCount + 16); bit++) {
    if (dice.once(2)) setBit(overlay, facts, bit)
  }
}

interface HeaderNumbers {
  readonly mtime: number
  readonly virtualSize: number
  readonly sectorSize: number
  readonly alignment: number
}

function writeHeader(bytes: Uint8Array, layout: PairLayout, numbers: HeaderNumbers): void {
  const { mtime, virtualSize, sectorSize, alignment } = numbers
  const magicIsLittle = layout === 'v1' || layout === 'v2little' || layout === 'v3little'
  const restIsLittle = layout === 'v1' || layout === 'v1hybrid'
  put(bytes, 0, 4, 0x4f4f4f4d, magicIsLittle)
  put(bytes, 4, 4, Number(layout[1]), magicIsLittle)
  if (layout === 'v3padded') {
    put(bytes, 8, 4, mtime, false)
    put(bytes, 12, 4, 0, false)
    put(bytes, 16, 8, virtualSize, false)
    put(bytes, 24, 4, sectorSize, false)
    put(bytes, 28, 4, alignment, false)
    put(bytes, 32, 4, 0, false)
    put(bytes, 4132, 4, 0, false)
  } else if (layout === 'v3' || layout === 'v3little') {
    put(bytes, 8, 4, mtime, false)
    put(bytes, 12, 8, virtualSize, false)
    put(bytes, 20, 4, sectorSize, false)
    put(bytes, 24, 4, alignment, false)
    put(bytes, 28, 4, 0, false)
  } else {
    const tail = pathPlace(layout).end
    put(bytes, tail, 4, mtime, restIsLittle)
    put(bytes, tail + 4, 8, virtualSize, restIsLittle)
    put(bytes, tail + 12, 4, sectorSize, restIsLittle)
  }
}

/** Writes `length` bytes of a whole number, one after another. */
function put(bytes: Uint8Array, offset: number, length: number, value: number, little: boolean): void {
  let rest = value
  for (let i = 0; i < length; i++) {
    bytes[little ? offset + i : offset + length - 1 - i] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

function pathPlace(layout: PairLayout): { start: number; end: number } {
  if (layout.startsWith('v1')) return { start: 8, end: 264 }
  if (layout.startsWith('v2')) return { start: 8, end: 4104 }
  return layout === 'v3padded' ? { start: 36, end: 4132 } : { start: 32, end: 4128 }
}

/** Puts a path and its NUL into a header and leaves the bytes behind them. */
export function writeHeaderPath(header: Uint8Array, layout: PairLayout, headerPath: string | Uint8Array): void {
  const { start, end } = pathPlace(layout)
  const field = typeof headerPath === 'string' ? Buffer.from(headerPath) : headerPath
  if (start + field.length + 1 > end) throw new RangeError(`no room for a path of ${field.length} bytes in ${layout}`)
  header.set(field, start)
  header[start + field.length] = 0
}

export interface WritePairOptions {
  /** What the header names: `root_fs`, or its path from the root directory. */
  readonly headerPath?: 'relative' | 'absolute' | undefined
  readonly overlayName?: string | undefined
  readonly backingName?: string | undefined
}

/**
 * Write the files of a pair, `cow` and `root_fs`, into a directory. Blocks of zeros become holes.
 *
 * With another `backingName` or an absolute path the header is changed to name that file.
 */
export function writePair(
  pair: GeneratedPair,
  directory: string,
  options: WritePairOptions = {},
): { overlayPath: string; backingPath: string } {
  const backingName = options.backingName ?? 'root_fs'
  const overlayPath = path.resolve(directory, options.overlayName ?? 'cow')
  const backingPath = path.resolve(directory, backingName)
  const overlay = Uint8Array.from(pair.overlayBytes)
  if (options.headerPath === 'absolute') writeHeaderPath(overlay, pair.layout, backingPath)
  else if (options.backingName !== undefined) writeHeaderPath(overlay, pair.layout, backingName)
  writeSparse(overlayPath, overlay)
  writeSparse(backingPath, pair.backingBytes)
  utimesSync(backingPath, pair.mtime, pair.mtime)
  return { overlayPath, backingPath }
}

/** Writes a file in which every block of 4 KiB that is all zeros is a hole. */
export function writeSparse(filePath: string, bytes: Uint8Array): void {
  writeFileSync(filePath, '')
  const fd = openSync(filePath, 'r+')
  try {
    ftruncateSync(fd, bytes.length)
    for (let at = 0; at < bytes.length; at += 4096) {
      const block = bytes.subarray(at, at + 4096)
      if (block.every((byte) => byte === 0)) continue
      for (let done = 0; done < block.length; ) done += writeSync(fd, block, done, block.length - done, at + done)
    }
  } finally {
    closeSync(fd)
  }
}
