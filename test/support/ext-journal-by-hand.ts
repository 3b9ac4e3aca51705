import { extentNode, type HandExt } from './ext-by-hand.js'

// A journal, written number by number. It shares no code with src/.

const blockSize = 1024

/** Checksum by polynomial division, a bit at a time. Reflected: CRC-32C; else CRC-32 with the highest bit first. */
function checksum(parts: readonly Uint8Array[], isReflected: boolean): number {
  let value = 0xffffffff
  for (const byte of Buffer.concat(parts)) {
    value ^= isReflected ? byte : byte << 24
    for (let bit = 0; bit < 8; bit++) {
      if (isReflected) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
      else value = value < 0 || value > 0x7fffffff ? (value << 1) ^ 0x04c11db7 : value << 1
    }
  }
  return value >>> 0
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

export interface HandJournalOptions {
  /** Blocks; default 32. */
  readonly length?: number
  /** The log ends before this block of the journal; default: at its end. */
  readonly logEnd?: number
  readonly version?: 0 | 1 | 2 | 3
  readonly isWide?: boolean
  /** Bits of features that a reader must know, beside the two above. */
  readonly features?: number
  /** The block of the log with the first transaction, and its number. */
  readonly start?: number
  readonly sequence?: number
}

export interface HandTransaction {
  /** Data by the block that it belongs to. */
  readonly data?: readonly (readonly [block: number, bytes: Buffer])[]
  readonly revokes?: readonly number[]
  /** Seconds. */
  readonly time?: number
  /** What has a wrong checksum. */
  readonly spoil?: 'descriptor' | 'revokes' | 'data' | 'commit'
  readonly isCommitted?: boolean
}

/** Make a block of one byte. */
export function blockOf(byte: number | string): Buffer {
  return Buffer.alloc(blockSize, byte)
}

/** A journal in inode 8, at block 100 of the file system. */
export class HandJournal {
  readonly first = 100
  readonly length: number
  readonly #hand: HandExt
  readonly #uuid = Buffer.from('0123456789abcdef')
  readonly #version: number
  readonly #isWide: boolean
  readonly #logEnd: number
  #at: number
  #sequence: number
  #parts: Uint8Array[] = []

  constructor(hand: HandExt, options: HandJournalOptions = {}) {
    this.#hand = hand
    this.length = options.length ?? 32
    this.#logEnd = options.logEnd ?? this.length
    this.#version = options.version ?? 0
    this.#isWide = options.isWide ?? false
    this.#at = options.start ?? 1
    this.#sequence = options.sequence ?? 7
    // The journal, and that it needs recovery.
    hand.field(0x5c, 0x4)
    hand.field(0x60, 0x46)
    hand.field(0xe0, 8)
    const map = extentNode(0, [[0, this.length, this.first]])
    hand.inode(8, { size: this.length * blockSize, flags: 0x80000, map, mode: 0o600 })
    this.#writeSuperblock(options.features ?? 0)
  }

  #writeSuperblock(features: number): void {
    const superblock = this.block(0)
    const versionBit = this.#version < 2 ? 0 : this.#version === 2 ? 0x8 : 0x10
    const incompatible = 0x1 + (this.#isWide ? 0x2 : 0) + versionBit + features
    const words = [0xc03b3998, 4, 0, blockSize, this.length, 1, this.#sequence, this.#at, 0]
    for (const [i, value] of [...words, this.#version === 1 ? 1 : 0, incompatible].entries()) {
      superblock.writeUInt32BE(value, i * 4)
    }
    superblock.set(this.#uuid, 0x30)
    superblock[0x50] = this.#version > 1 ? 4 : 0
    this.sealSuperblock()
  }

  /** Write the checksum of the superblock anew. */
  sealSuperblock(): void {
    const superblock = this.block(0)
    superblock.writeUInt32BE(0, 0xfc)
    if (this.#version > 1) superblock.writeUInt32BE(checksum([superblock], true), 0xfc)
  }

  /** A block of the journal. */
  block(number: number): Buffer {
    return this.#hand.block(this.first + number)
  }

  /** Put a block where the log ends, and go on. */
  put(bytes: Uint8Array): void {
    this.block(this.#at).set(bytes)
    this.#at = this.#at + 1 === this.#logEnd ? 1 : this.#at + 1
  }

  add({ data = [], revokes = [], time = 1000, spoil, isCommitted = true }: HandTransaction): void {
    if (data.length > 0) this.#addData(data, spoil)
    if (revokes.length > 0) this.#addRevokes(revokes, spoil)
    if (isCommitted) this.#commit(time, spoil)
    this.#sequence = (this.#sequence + 1) % 2 ** 32
    this.#parts = []
  }

  #header(type: number): Buffer {
    const block = Buffer.alloc(blockSize)
    block.set(Buffer.concat([word(0xc03b3998), word(type), word(this.#sequence)]))
    return block
  }

  #addData(data: NonNullable<HandTransaction['data']>, spoil: HandTransaction['spoil']): void {
    const descriptor = this.#header(1)
    let at = 12
    const stored = data.map(([block, bytes], i) => {
      const isEscaped = bytes.readUInt32BE(0) === 0xc03b3998
      const copy = Buffer.from(bytes)
      if (isEscaped) copy.fill(0, 0, 4)
      const flags = (isEscaped ? 1 : 0) + (i > 0 ? 2 : 0) + (i === data.length - 1 ? 8 : 0)
      at = this.#writeTag(descriptor, at, block, flags, copy)
      if (i === 0) at += 16
      if (spoil === 'data') copy[500]! ^= 1
      return copy
    })
    this.#seal(descriptor, spoil === 'descriptor')
    for (const block of [descriptor, ...stored]) {
      this.#parts.push(block)
      this.put(block)
    }
  }

  /** @returns  where the next tag is */
  #writeTag(descriptor: Buffer, at: number, block: number, flags: number, data: Buffer): number {
    const value = checksum([this.#uuid, word(this.#sequence), data], true)
    const high = Math.floor(block / 2 ** 32)
    descriptor.writeUInt32BE(block % 2 ** 32, at)
    if (this.#version === 3) {
      for (const [i, part] of [flags, high, value].entries()) descriptor.writeUInt32BE(part, at + 4 + i * 4)
      return at + 16
    }
    if (this.#version === 2) descriptor.writeUInt16BE(value % 2 ** 16, at + 4)
    descriptor.writeUInt16BE(flags, at + 6)
    if (this.#isWide) descriptor.writeUInt32BE(high, at + 8)
    return at + 8 + (this.#isWide ? 4 : 0) + (this.#version === 2 ? 2 : 0)
  }

  #addRevokes(revokes: readonly number[], spoil: HandTransaction['spoil']): void {
    const block = this.#header(5)
    const size = this.#isWide ? 8 : 4
    block.writeUInt32BE(16 + revokes.length * size, 12)
    for (const [i, revoked] of revokes.entries()) block.writeUInt32BE(revoked, 16 + (i + 1) * size - 4)
    this.#seal(block, spoil === 'revokes')
    this.put(block)
  }

  #seal(block: Buffer, isWrong: boolean): void {
    if (this.#version < 2) return
    block.writeUInt32BE((checksum([this.#uuid, block], true) ^ (isWrong ? 1 : 0)) >>> 0, blockSize - 4)
  }

  #commit(time: number, spoil: HandTransaction['spoil']): void {
    const block = this.#header(2)
    block.writeBigUInt64BE(BigInt(time), 0x30)
    if (this.#version === 1) block.set([1, 4], 0x0c)
    const value = this.#version === 1 ? checksum(this.#parts, false) : checksum([this.#uuid, block], true)
    if (this.#version > 0) block.writeUInt32BE((value ^ (spoil === 'commit' ? 1 : 0)) >>> 0, 0x10)
    this.put(block)
  }
}
