import { Worker } from 'node:worker_threads'
import type { CompressBlock } from '../../formats/lz4/index.js'
import { longestBlock } from '../../formats/lz4/layout.js'
import { lz4Module } from '../../formats/lz4/wasm/accelerator.js'

/** More threads than this never help: the thread that reads and writes cannot keep up with them. */
export const mostThreads = 16

/** What a worker answers. */
type Answer = { readonly length: number } | { readonly error: unknown }

interface Waiting {
  readonly done: (length: number) => void
  readonly failed: (error: unknown) => void
}

/** A worker, and the blocks that it has: it answers in their order. */
interface Thread {
  readonly worker: Worker
  readonly waiting: Waiting[]
}

/** Worker threads that compress blocks. */
export interface CompressPool {
  /** How many blocks the threads can have at once: each has one to work on and one to go on with. */
  readonly blocksAtOnce: number
  /** Allocate the memory of a block that the threads share. */
  allocate(length: number): Uint8Array
  /** Compress a block in memory of `allocate`. The result is valid until that memory is compressed again. */
  readonly compressBlock: CompressBlock
  /** End all threads. Blocks that they have fail. */
  close(): Promise<void>
}

/**
 * Make a pool of worker threads. A thread starts with the first block for which no other is idle, and does not keep the
 * process alive.
 *
 * @param threadCount  1 to `mostThreads`
 */
export function openCompressPool(threadCount: number): CompressPool {
  const threads: Thread[] = []
  const outputs = new WeakMap<ArrayBufferLike, Uint8Array>()
  let isClosed = false

  const outputFor = (block: Uint8Array): Uint8Array => {
    const found = outputs.get(block.buffer)
    if (found !== undefined) return found
    const output = new Uint8Array(new SharedArrayBuffer(longestBlock(block.buffer.byteLength)))
    outputs.set(block.buffer, output)
    return output
  }

  const nextThread = (): Thread => {
    const idle = threads.find(({ waiting }) => waiting.length === 0)
    if (idle !== undefined) return idle
    if (threads.length < threadCount) {
      const started = startThread()
      threads.push(started)
      return started
    }
    return threads.reduce((best, one) => (one.waiting.length < best.waiting.length ? one : best))
  }

  return {
    blocksAtOnce: 2 * threadCount,
    allocate: (length) => new Uint8Array(new SharedArrayBuffer(length)),
    async compressBlock(block) {
      if (isClosed) throw new Error('unreachable: the pool is closed')
      const output = outputFor(block)
      const thread = nextThread()
      const length = await new Promise<number>((done, failed) => {
        thread.waiting.push({ done, failed })
        thread.worker.ref()
        thread.worker.postMessage({ block, output })
      })
      return length === 0 ? block : output.subarray(0, length)
    },
    async close() {
      isClosed = true
      await Promise.all(threads.map(({ worker }) => worker.terminate()))
    },
  }
}

function startThread(): Thread {
  const worker = new Worker(new URL('./compress-worker.js', import.meta.url), {
    name: 'umlcow compress',
    // Not those of this process: --input-type, for one, is not for files.
    execArgv: [],
    workerData: { module: lz4Module() },
  })
  const waiting: Waiting[] = []
  const failAll = (error: unknown): void => {
    for (const { failed } of waiting.splice(0)) failed(error)
  }
  worker.on('message', (answer: Answer) => {
    const { done, failed } = waiting.shift()!
    if (waiting.length === 0) worker.unref()
    if ('error' in answer) failed(answer.error)
    else done(answer.length)
  })
  worker.on('error', failAll)
  worker.on('exit', () => failAll(new Error('a worker thread of umlcow has ended')))
  // A thread with blocks keeps the process alive, an idle one does not.
  worker.unref()
  return { worker, waiting }
}
