// Pairs of a backing file and an overlay, and the image that a merge of them has to give. Nothing here comes from src/:
// what is measured must not make its own input.
import { closeSync, ftruncateSync, mkdirSync, openSync, utimesSync, writeSync } from 'node:fs'
import path from 'node:path'
import { mib, randomNumbers, sectorSize } from './shapes.js'

const alignment = 4096
const headerLength = 4128
/** Of every backing file: a header and its backing file have to agree on it. */
const mtime = 1714564800

/** Bytes of a layer come out of a buffer of this length, which no compression and no block of zeros makes easy. */
const patternLength = mib

/**
 * Write the pair of a workload: `root_fs` and `cow` in a directory that is made, and `merged.img`, what a merge gives.
 *
 * @param {import('./workloads.js').Workload} workload
 * @param {string} directory     an absolute path; it goes into the header
 * @param {number} virtualSize   bytes
 */
export function makePair(workload, directory, virtualSize) {
  mkdirSync(directory, { recursive: true })
  const backing = path.join(directory, 'root_fs')
  const overlay = path.join(directory, 'cow')
  const merged = path.join(directory, 'merged.img')
  const backingRuns = () => workload.backingRuns(virtualSize, randomNumbers(`${workload.name} backing`))
  const overlayRuns = () => workload.overlayRuns(virtualSize, randomNumbers(`${workload.name} overlay`))
  const { dataOffset: overlayDataOffset } = placesIn(virtualSize)
  const pair = { backing, overlay, merged, virtualSize, backingRuns, overlayRuns, overlayDataOffset }
  pair.backingData = writeBacking(backing, pair)
  pair.overlayData = writeOverlay(overlay, pair)
  writeBacking(merged, pair)
  writeOver(merged, pair)
  return pair
}

/** Write what the overlay supplies into an image of the backing file. */
export function writeOver(file, pair) {
  withFile(file, 'r+', (descriptor) => writeRuns(descriptor, 0, pair.overlayRuns(), 'overlay'))
}

/** Write something else into each block of 4 KiB that the overlay has anything to supply for. */
export function spoil(file, pair) {
  withFile(file, 'r+', (descriptor) => writeRuns(descriptor, 0, firstInBlocks(pair.overlayRuns()), 'neither'))
}

/** Without the runs that lie in a block that the one before has reached. */
function* firstInBlocks(runs) {
  let reached = 0
  for (const { start, end } of runs) {
    if (end <= reached) continue
    yield { start, end }
    reached = ceilTo(end, alignment)
  }
}

/** Give a backing file the time that the header tells. */
export function setMtime(file) {
  utimesSync(file, mtime, mtime)
}

function writeBacking(file, { virtualSize, backingRuns }) {
  const written = withFile(file, 'w', (descriptor) => {
    ftruncateSync(descriptor, virtualSize)
    return writeRuns(descriptor, 0, backingRuns(), 'backing')
  })
  setMtime(file)
  return written
}

/** Of an overlay's bitmap and data, bytes. */
function placesIn(virtualSize) {
  const bitmapOffset = ceilTo(headerLength, alignment)
  const bitmapLength = Math.ceil(virtualSize / sectorSize / 8)
  return { bitmapOffset, dataOffset: ceilTo(bitmapOffset + bitmapLength, alignment) }
}

// Version 3, big-endian, packed.  Source: Linux arch/um/drivers/cow_user.c, struct cow_header_v3
function writeOverlay(file, { backing, virtualSize, overlayRuns }) {
  const { bitmapOffset, dataOffset } = placesIn(virtualSize)
  return withFile(file, 'w', (descriptor) => {
    ftruncateSync(descriptor, dataOffset + virtualSize)
    writeBitmap(descriptor, bitmapOffset, overlayRuns())
    writeAll(descriptor, header(backing, virtualSize), 0)
    return writeRuns(descriptor, dataOffset, overlayRuns(), 'overlay')
  })
}

function header(backing, virtualSize) {
  const bytes = Buffer.alloc(headerLength)
  bytes.writeUInt32BE(0x4f4f4f4d, 0)
  bytes.writeUInt32BE(3, 4)
  bytes.writeUInt32BE(mtime, 8)
  bytes.writeBigUInt64BE(BigInt(virtualSize), 12)
  bytes.writeUInt32BE(sectorSize, 20)
  bytes.writeUInt32BE(alignment, 24)
  bytes.write(backing, 32)
  return bytes
}

/** A block of the bitmap at a time, and only those with a bit set: the bitmap of 1 TiB is a hole for the most part. */
function writeBitmap(descriptor, bitmapOffset, runs) {
  const bytes = Buffer.alloc(alignment)
  let block = -1
  const flush = () => {
    if (block >= 0) writeAll(descriptor, bytes, bitmapOffset + block * alignment)
    bytes.fill(0)
  }
  for (const { start, end } of runs) {
    for (let sector = start / sectorSize; sector < end / sectorSize; sector++) {
      const index = Math.floor(sector / 8)
      if (Math.floor(index / alignment) !== block) {
        flush()
        block = Math.floor(index / alignment)
      }
      bytes[index % alignment] |= 1 << (sector % 8)
    }
  }
  flush()
}

/** Every sector names its layer and its place, so that one from the wrong place makes a difference. */
function writeRuns(descriptor, base, runs, layer) {
  const pattern = Buffer.alloc(patternLength)
  const random = randomNumbers(layer)
  for (let at = 0; at < patternLength; at += 4) pattern.writeUInt32LE(random(2 ** 32), at)
  let written = 0
  for (const { start, end } of runs) {
    for (let at = start; at < end; ) {
      const length = Math.min(patternLength, end - at)
      const bytes = pattern.subarray(0, length)
      for (let sector = 0; sector < length; sector += sectorSize) bytes.writeDoubleLE(at + sector + 1, sector)
      writeAll(descriptor, bytes, base + at)
      at += length
    }
    written += end - start
  }
  return written
}

export function withFile(file, flags, work) {
  const descriptor = openSync(file, flags)
  try {
    return work(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

export function writeAll(descriptor, bytes, offset) {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done)
  }
}

export function ceilTo(value, multiple) {
  return Math.ceil(value / multiple) * multiple
}
