import type { EntryType, ExtendedAttribute, Image } from '../../src/core.js'
import { openMemoryStore, openRawImage } from '../../src/core.js'

// A file system of one group, written number by number. It shares no code with src/.

const blockSize = 1024
const inodeTable = 5
const inodeSize = 256

const typeBits: Record<EntryType, number> = {
  fifo: 1,
  character: 2,
  directory: 4,
  block: 6,
  file: 8,
  symlink: 10,
  socket: 12,
}

export interface HandInode {
  readonly type?: EntryType
  readonly mode?: number
  readonly size?: number
  readonly flags?: number
  /** Units of 512 bytes. */
  readonly blocks?: number
  /** Words of the map. */
  readonly map?: readonly number[] | Uint8Array
  readonly attributeBlock?: number
}

/** An ext4 image of 256 blocks of 1 KiB, with 32 inodes and an empty root directory in block 20. */
export class HandExt {
  readonly bytes: Buffer
  readonly #root: (readonly [string | Buffer, number])[] = []

  constructor(blockCount = 256) {
    this.bytes = Buffer.alloc(blockCount * blockSize)
    const fields = { 0: 32, 4: blockCount, 20: 1, 32: 8192, 36: 8192, 40: 32, 76: 1, 84: 11, 88: inodeSize }
    for (const [at, value] of Object.entries(fields)) this.field(Number(at), value)
    this.bytes.writeUInt16LE(0xef53, 1024 + 0x38)
    // Features: file types and extents.
    this.field(0x60, 0x42)
    for (const [at, value] of [3, 4, inodeTable].entries()) this.block(2).writeUInt32LE(value, at * 4)
    // Inodes 1 to 32 are in use.
    this.block(4).fill(0xff, 0, 4)
    this.inode(2, { type: 'directory', size: blockSize, map: [20] })
    this.directory(20, [])
  }

  /** Write a word of the superblock. */
  field(at: number, value: number): void {
    this.bytes.writeUInt32LE(value, 1024 + at)
  }

  block(number: number): Buffer {
    return this.bytes.subarray(number * blockSize, (number + 1) * blockSize)
  }

  record(number: number): Buffer {
    const at = inodeTable * blockSize + (number - 1) * inodeSize
    return this.bytes.subarray(at, at + inodeSize)
  }

  inode(
    number: number,
    { type = 'file', mode = 0o644, size = 0, flags = 0, blocks = 2, map = [], ...more }: HandInode,
  ): void {
    const record = this.record(number).fill(0)
    record.writeUInt16LE(typeBits[type] * 4096 + mode, 0)
    record.writeUInt32LE(size % 2 ** 32, 4)
    record.writeUInt16LE(1, 26)
    record.writeUInt32LE(blocks, 28)
    record.writeUInt32LE(flags, 32)
    if (map instanceof Uint8Array) record.set(map, 40)
    else for (const [i, word] of map.entries()) record.writeUInt32LE(word, 40 + i * 4)
    record.writeUInt32LE(more.attributeBlock ?? 0, 0x68)
    record.writeUInt32LE(Math.floor(size / 2 ** 32), 0x6c)
    record.writeUInt16LE(32, 128)
  }

  /** Write the names of a directory into a block. */
  directory(block: number, names: readonly (readonly [name: string | Buffer, inode: number])[]): void {
    const records = [['.', 2] as const, ['..', 2] as const, ...names].map(([name, inode]) => {
      const bytes = Buffer.from(name)
      const record = Buffer.alloc(8 + Math.ceil(bytes.length / 4) * 4)
      record.writeUInt32LE(inode, 0)
      record.writeUInt16LE(record.length, 4)
      record[6] = bytes.length
      record.set(bytes, 8)
      return record
    })
    const last = records[records.length - 1]!
    const used = records.reduce((sum, { length }) => sum + length, 0)
    last.writeUInt16LE(last.length + blockSize - used, 4)
    this.block(block).fill(0).set(Buffer.concat(records))
  }

  /** Add a file to the root directory. */
  file(name: string | Buffer, number: number, inode: HandInode): void {
    this.inode(number, inode)
    this.#root.push([name, number])
    this.directory(20, this.#root)
  }

  open(): Image {
    return openRawImage(openMemoryStore(this.bytes))
  }
}

/** A node of an extent tree. Entries of a leaf: [logical, length, block]; of others: [logical, block]. */
export function extentNode(depth: number, entries: readonly (readonly number[])[], capacity = 4): Uint8Array {
  const node = Buffer.alloc(12 + 12 * Math.max(capacity, entries.length))
  for (const [i, half] of [0xf30a, entries.length, capacity, depth].entries()) node.writeUInt16LE(half, i * 2)
  for (const [i, entry] of entries.entries()) {
    const at = 12 + i * 12
    node.writeUInt32LE(entry[0]!, at)
    if (depth > 0) node.writeUInt32LE(entry[1]!, at + 4)
    else node.writeUInt16LE(entry[1]!, at + 4)
    if (depth === 0) node.writeUInt32LE(entry[2]!, at + 8)
  }
  return node
}

/** Names and values as text. */
export function attributeTexts(attributes: readonly ExtendedAttribute[]): string[] {
  return attributes.map(({ name, value }) => `${Buffer.from(name)}=${Buffer.from(value)}`)
}
