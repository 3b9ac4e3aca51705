import { Worker } from 'node:worker_threads'
import { Sha256 } from '../digests/sha256.js'
import { ownThreadFrom } from './digest-file.js'

/** A digest of bytes that come in turn. */
export interface RunningDigest {
  /** Add bytes. Their memory can be used again afterwards. */
  update(bytes: Uint8Array): void | Promise<void>
  /** Add some of `length` zeros. @returns how many */
  addZeros(length: number): number | Promise<number>
  /** Get the digest in hexadecimal digits. */
  hex(): string | Promise<string>
}

/** Makes digests, one after another. Those of long contents share a thread, which ends with `close`. */
export class StreamDigests {
  private thread: DigestThread | null = null

  /** Begin a digest of `length` bytes, after the end of the last one. */
  begin(length: number): RunningDigest {
    if (length <= ownThreadFrom) return new Sha256()
    this.thread ??= new DigestThread()
    return this.thread
  }

  async close(): Promise<void> {
    await this.thread?.close()
  }
}

const slotLength = 1024 * 1024
/** One to fill, one to digest, and some between. */
const slotCount = 4
/** Zeros of a slot at most: they take some 50 ms, and a signal has to wait for them. */
const mostZeros = 64 * 1024 * 1024
/** Lengths of a slot at most. */
const mostParts = 8192

/** What the thread answers: a slot that is free again, or the digest. */
type Answer = { readonly bytes: Uint8Array } | { readonly sha256: string }

/** A thread that digests what others read meanwhile. It does not fall behind by more than its slots. */
class DigestThread implements RunningDigest {
  private readonly worker: Worker
  private readonly free: Uint8Array[] = []
  /** The slot that is being filled. */
  private slot: Uint8Array
  private used = 0
  private zeros = 0
  /** Lengths by turns: of bytes in the slot, and of zeros that follow them. */
  private parts: number[] = []
  /** The caller that waits for an answer. */
  private waiting: { done: () => void; failed: (error: unknown) => void } | null = null
  private digest: string | null = null
  private failure: unknown = null

  constructor() {
    for (let i = 0; i < slotCount; i++) this.free.push(new Uint8Array(new SharedArrayBuffer(slotLength)))
    this.slot = this.free.pop()!
    this.worker = new Worker(new URL('./stream-digest-worker.js', import.meta.url), {
      name: 'umlcow digest',
      execArgv: [],
    })
    this.worker.on('message', (answer: Answer) => {
      if ('bytes' in answer) this.free.push(answer.bytes)
      else this.digest = answer.sha256
      this.waiting?.done()
    })
    this.worker.on('error', (error) => this.fail(error))
    this.worker.on('exit', () => this.fail(new Error('a worker thread of umlcow has ended')))
  }

  async update(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.used === slotLength || this.parts.length >= mostParts) await this.send()
      const part = bytes.subarray(at, at + slotLength - this.used)
      this.slot.set(part, this.used)
      this.used += part.length
      at += part.length
      const { parts } = this
      if (parts.length > 0 && parts.at(-1) === 0) parts[parts.length - 2]! += part.length
      else parts.push(part.length, 0)
    }
  }

  async addZeros(length: number): Promise<number> {
    if (this.zeros === mostZeros) await this.send()
    const count = Math.min(length, mostZeros - this.zeros)
    if (this.parts.length === 0) this.parts.push(0, 0)
    this.parts[this.parts.length - 1]! += count
    this.zeros += count
    return count
  }

  async hex(): Promise<string> {
    await this.send()
    this.worker.postMessage({ bytes: null, parts: null })
    while (this.digest === null) await this.answer()
    const { digest } = this
    this.digest = null
    return digest
  }

  async close(): Promise<void> {
    await this.worker.terminate()
  }

  /** Give the slot to the thread, and wait for a free one. */
  private async send(): Promise<void> {
    this.worker.postMessage({ bytes: this.slot, parts: this.parts })
    while (this.free.length === 0) await this.answer()
    this.slot = this.free.pop()!
    this.used = 0
    this.zeros = 0
    this.parts = []
  }

  private async answer(): Promise<void> {
    if (this.failure !== null) throw this.failure
    try {
      await new Promise<void>((done, failed) => {
        this.waiting = { done, failed }
      })
    } finally {
      this.waiting = null
    }
  }

  private fail(error: unknown): void {
    this.failure ??= error
    this.waiting?.failed(error)
  }
}
