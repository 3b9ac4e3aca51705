import type { ByteRange } from '../../../images/compare-ranges.js'
import type { BlockClaims } from '../diff/block-classes.js'
import type { ExtBlockClass } from '../diff/ext-differences.js'

/**
 * What a block is for. `metadata`: superblocks, group descriptors, bitmaps, maps of files, extended attributes, and
 * blocks that are in use although no file has them. `outside`: not in the file system.
 */
export type ExtOwner = 'journal' | 'inodeTables' | 'directories' | 'fileData' | 'metadata' | 'free' | 'outside'

/** Bytes of the image that one owner has. */
export interface OwnedRange extends ByteRange {
  readonly owner: ExtOwner
}

const owners: readonly ExtOwner[] = ['journal', 'inodeTables', 'directories', 'fileData', 'free', 'metadata', 'outside']

/** All classes that are not here are other metadata. */
const ownerOf: Partial<Record<ExtBlockClass, ExtOwner>> = {
  journal: 'journal',
  inodeTables: 'inodeTables',
  directories: 'directories',
  fileData: 'fileData',
  free: 'free',
  outside: 'outside',
}

/** Ranges that a caller gets at once. */
const rangesPerBatch = 4096

/** The owners of blocks that follow one another: a byte for each. The first claim on a block counts. */
export class OwnerWindow implements BlockClaims {
  leftCount: number
  readonly #start: number
  readonly #end: number
  /** 0: no claim yet; else one more than the index of the owner. */
  readonly #codes: Uint8Array

  /** @param room  for a byte for each block; it is overwritten */
  constructor(start: number, end: number, room: Uint8Array) {
    this.#start = start
    this.#end = end
    this.#codes = room.subarray(0, end - start).fill(0)
    this.leftCount = end - start
  }

  claim(name: ExtBlockClass, start: number, length = 1): void {
    const code = 1 + owners.indexOf(ownerOf[name] ?? 'metadata')
    const from = Math.max(start, this.#start) - this.#start
    const to = Math.min(start + length, this.#end) - this.#start
    for (let i = from; i < to; i++) {
      if (this.#codes[i] !== 0) continue
      this.#codes[i] = code
      this.leftCount--
    }
  }

  /** List stretches of blocks without a claim. Claims during the walk do not count. */
  *unclaimed(): Generator<readonly [start: number, end: number]> {
    const codes = this.#codes
    for (let from = codes.indexOf(0); from >= 0; ) {
      let to = from + 1
      while (to < codes.length && codes[to] === 0) to++
      yield [this.#start + from, this.#start + to]
      from = to < codes.length ? codes.indexOf(0, to) : -1
    }
  }

  /** List the ranges of one owner, in bytes and in order. All blocks must have an owner. */
  *ranges(blockSize: number): Generator<readonly OwnedRange[]> {
    const codes = this.#codes
    let batch: OwnedRange[] = []
    for (let from = 0, to = 0; from < codes.length; from = to) {
      const code = codes[from]!
      while (to < codes.length && codes[to] === code) to++
      const owner = owners[code - 1]
      if (owner === undefined) throw new Error('unreachable: a block without an owner')
      batch.push({ start: (this.#start + from) * blockSize, end: (this.#start + to) * blockSize, owner })
      if (batch.length < rangesPerBatch) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }
}
