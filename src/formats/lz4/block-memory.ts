import { allocateUnsafe } from '../../bytes/fast.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { decodeLz4Block } from './decode-block.js'
import { badLz4, type Lz4Place, truncatedLz4 } from './error.js'
import { historyLength } from './layout.js'

/**
 * Unpacks the blocks of one frame. The memory holds the last 64 KiB before a block, then its output, then its input.
 *
 * What a method returns is a view of the memory, until the next call.
 */
export class BlockMemory {
  private readonly memory: Uint8Array
  private readonly inputStart: number
  private readonly keepsHistory: boolean
  /** Bytes before `historyLength` in the memory that a match may reach. */
  private history = 0
  /** Bytes of the last output. */
  private output = 0

  /** @param blockSize  bytes of output at most @param inputLength  bytes of input at most */
  constructor(blockSize: number, inputLength: number, keepsHistory: boolean) {
    this.inputStart = historyLength + blockSize
    this.memory = allocateUnsafe(this.inputStart + inputLength)
    this.keepsHistory = keepsHistory
  }

  /** Read a block. @param length  its bytes, at most those given to the constructor */
  async read(reader: InputReader, length: number, name: string): Promise<Uint8Array> {
    this.startBlock()
    const input = this.memory.subarray(this.inputStart, this.inputStart + length)
    for (let got = 0; got < length; ) {
      const part = await reader.some(length - got)
      if (part.length === 0) throw truncatedLz4({ name, offset: reader.offset })
      input.set(part, got)
      got += part.length
    }
    return input
  }

  /** Take the block that `read` has read as it is. */
  takeStored(length: number): Uint8Array {
    this.memory.copyWithin(historyLength, this.inputStart, this.inputStart + length)
    return this.finishBlock(length)
  }

  /** Unpack the block that `read` has read. */
  unpack(length: number, place: Lz4Place): Uint8Array {
    const end = decodeLz4Block(this.memory, {
      inputStart: this.inputStart,
      inputEnd: this.inputStart + length,
      outputStart: historyLength,
      outputEnd: this.inputStart,
      historyStart: historyLength - this.history,
    })
    if (end < 0) throw badLz4(place, 'a damaged block')
    return this.finishBlock(end - historyLength)
  }

  private finishBlock(length: number): Uint8Array {
    this.output = length
    return this.memory.subarray(historyLength, historyLength + length)
  }

  /** Move the end of the last output before the next one. Its reader may have used it until now. */
  private startBlock(): void {
    if (!this.keepsHistory || this.output === 0) return
    const end = historyLength + this.output
    const kept = Math.min(historyLength, this.history + this.output)
    this.memory.copyWithin(historyLength - kept, end - kept, end)
    this.history = kept
    this.output = 0
  }
}
