// The worker thread of stream-digest.ts: SHA-256 digests of bytes that come in shared memory, one digest after another.
// JavaScript, not TypeScript: worker threads load it from the sources too, where Node reads no TypeScript.
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

const zeros = Buffer.alloc(1024 * 1024)
let hash = createHash('sha256')

/** @param parts  lengths by turns: of bytes, and of the zeros that follow them */
function add(bytes, parts) {
  let at = 0
  for (let i = 0; i < parts.length; i += 2) {
    hash.update(bytes.subarray(at, at + parts[i]))
    at += parts[i]
    for (let left = parts[i + 1]; left > 0; left -= zeros.length) {
      hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros)
    }
  }
}

parentPort.on('message', ({ bytes, parts }) => {
  if (bytes !== null) {
    add(bytes, parts)
    parentPort.postMessage({ bytes })
    return
  }
  parentPort.postMessage({ sha256: hash.digest('hex') })
  hash = createHash('sha256')
})
