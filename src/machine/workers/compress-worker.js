// A worker thread of compress-pool.ts. It gets blocks in shared memory, one after another, and answers in that order.
import { parentPort, workerData } from 'node:worker_threads'
import { createBlockCodec } from './block-codec.js'

const compress = createBlockCodec(workerData.module)

parentPort.on('message', ({ block, output }) => {
  try {
    parentPort.postMessage({ length: compress(block, output) })
  } catch (error) {
    parentPort.postMessage({ error })
  }
})
