import { bytesOver, latin1Bytes } from '../../../bytes/fast.js'
import type { BlockPlaces } from '../decode-block.js'
import { code } from './code.js'

/** The functions of codec.wat. Numbers are addresses. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number }
  decode(at: number, inputEnd: number, to: number, outputEnd: number, history: number): number
  addStripes(sums: number, at: number, end: number): void
}

/** A compiled module. Threads can share it. */
export type Lz4Module = object

/** What this file uses of WebAssembly, whose types come with those of browsers only. */
interface WebAssemblyNames {
  readonly Module: new (bytes: Uint8Array) => Lz4Module
  readonly Instance: new (module: Lz4Module) => { readonly exports: unknown }
}

const pageSize = 65_536
/** The room for bytes to hash that lie elsewhere. The four sums come before it. */
const roomStart = 64
const roomLength = pageSize - roomStart
/** Where the caller's bytes start. */
const start = pageSize

/** Bytes that must be unused behind an output and an input: the module copies 16 at a time. */
export const accelerationSlack = 32

const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly?: WebAssemblyNames }
/** WebAssembly has little-endian words; the arrays of JavaScript have those of the host. */
const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1
let compiled: Lz4Module | null | undefined

/** Get the module that compresses and unpacks faster than JavaScript; null where the host does not run it. */
export function lz4Module(): Lz4Module | null {
  if (compiled !== undefined) return compiled
  try {
    compiled = wasm === undefined || !isLittleEndian ? null : new wasm.Module(latin1Bytes(atob(code)))
  } catch {
    // A page may forbid it, and old processors lack what it needs.
    compiled = null
  }
  return compiled
}

/** Memory with the functions of the module. It never grows, so views of it last. */
export class Lz4Accelerator {
  /** As many bytes as the caller has asked for. */
  readonly bytes: Uint8Array
  private readonly exports: Exports
  private readonly all: Uint8Array

  constructor(exports: Exports, length: number) {
    exports.memory.grow(Math.ceil((length + accelerationSlack) / pageSize))
    this.exports = exports
    this.all = new Uint8Array(exports.memory.buffer)
    this.bytes = bytesOver(exports.memory.buffer, start, length)
  }

  /** Unpack a block of less than 16 MiB in `bytes`, as `decodeLz4Block` does. `accelerationSlack` bytes follow the output. */
  decode({ inputStart, inputEnd, outputStart, outputEnd, historyStart }: BlockPlaces): number {
    const end = this.exports.decode(
      start + inputStart,
      start + inputEnd,
      start + outputStart,
      start + outputEnd,
      start + historyStart,
    )
    return end < 0 ? -1 : end - start
  }

  /** Add bytes `from` to `to`, whole stripes of 16 bytes, to the four sums of an xxHash32. */
  addStripes(sums: Int32Array, bytes: Uint8Array, from: number, to: number): void {
    const { exports, all } = this
    const words = new Int32Array(all.buffer, 0, sums.length)
    words.set(sums)
    if (bytes.buffer === all.buffer) exports.addStripes(0, bytes.byteOffset + from, bytes.byteOffset + to)
    else {
      for (let at = from; at < to; at += roomLength) {
        const part = bytes.subarray(at, Math.min(at + roomLength, to))
        all.set(part, roomStart)
        exports.addStripes(0, roomStart, roomStart + part.length)
      }
    }
    sums.set(words)
  }
}

/** Make an accelerator with `length` bytes of memory; null where the host cannot. */
export function createAccelerator(length: number): Lz4Accelerator | null {
  const module = lz4Module()
  if (module === null) return null
  try {
    return new Lz4Accelerator(new wasm!.Instance(module).exports as Exports, length)
  } catch {
    // No address space is left for its memory.
    return null
  }
}
