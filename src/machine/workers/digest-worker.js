// A worker thread of digest-file.ts: the SHA-256 digest of one open file, with zeros between its stretches.
// JavaScript, not TypeScript: worker threads load it from the sources too, where Node reads no TypeScript.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

/** Time between two reports of the position, milliseconds. */
const interval = 50

const zeros = Buffer.alloc(1024 * 1024)
const room = Buffer.alloc(256 * 1024)

function digest({ fd, size, stretches }) {
  const hash = createHash('sha256')
  let at = 0
  let next = performance.now() + interval
  const report = () => {
    if (performance.now() < next) return
    parentPort.postMessage({ position: at })
    next = performance.now() + interval
  }
  const addZeros = (end) => {
    for (; at < end; report()) {
      const length = Math.min(end - at, zeros.length)
      hash.update(zeros.subarray(0, length))
      at += length
    }
  }
  const addData = (end) => {
    for (; at < end; report()) {
      const length = fs.readSync(fd, room, 0, Math.min(end - at, room.length), at)
      if (length === 0) return false
      hash.update(room.subarray(0, length))
      at += length
    }
    return true
  }
  for (let i = 0; i < stretches.length; i += 2) {
    addZeros(stretches[i])
    if (!addData(stretches[i + 1])) return { end: at }
  }
  addZeros(size)
  return { sha256: hash.digest('hex') }
}

parentPort.postMessage(digest(workerData))
