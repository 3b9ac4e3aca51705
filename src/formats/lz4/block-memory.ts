import { allocateUnsafe } from '../../bytes/fast.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { type BlockPlaces, decodeLz4Block } from './decode-block.js'
import { badLz4, type Lz4Place, truncatedLz4 } from './error.js'
import { historyLength } from './layout.js'
import { accelerationSlack, type Lz4Accelerator } from './wasm/accelerator.js'
import type { StreamAccelerator } from './wasm/stream-accelerator.js'

/**
 * Unpacks the blocks of one frame. The memory holds the last 64 KiB before a block, then its output, then its input.
 *
 * What a method returns is a view of the memory, until the next call.
 */
export class BlockMemory {
  /** It owns the memory, where there is one. */
  readonly accelerator: Lz4Accelerator | null
  private readonly memory: Uint8Array
  private readonly outputEnd: number
  private readonly inputStart: number
  private readonly keepsHistory: boolean
  /** Bytes before `historyLength` in the memory that a match may reach. */
  private history = 0
  /** Bytes of the last output. */
  private output = 0

  /** @param blockSize  bytes of output at most @param inputLength  bytes of input at most */
  constructor(stream: StreamAccelerator, blockSize: number, inputLength: number, keepsHistory: boolean) {
    this.outputEnd = historyLength + blockSize
    this.inputStart = this.outputEnd + accelerationSlack
    const length = this.inputStart + inputLength
    this.accelerator = stream.atLeast(length)
    this.memory = this.accelerator?.bytes ?? allocateUnsafe(length)
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
    const places: BlockPlaces = {
      inputStart: this.inputStart,
      inputEnd: this.inputStart + length,
      outputStart: historyLength,
      outputEnd: this.outputEnd,
      historyStart: historyLength - this.history,
    }
    const end = this.accelerator?.decode(places) ?? decodeLz4Block(this.memory, places)
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
