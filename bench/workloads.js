// Pairs of a backing file and an overlay, the same ones in every run. Nothing here comes from src/: what is measured
// must not make its own input.
import { closeSync, ftruncateSync, mkdirSync, openSync, utimesSync, writeSync } from 'node:fs'
import path from 'node:path'

const kib = 1024
const mib = 1024 * kib
const sectorSize = 512
const alignment = 4096
const headerLength = 4128
/** Of every backing file: a header and its backing file have to agree on it. */
const mtime = 1714564800

/** Bytes of a layer come out of a buffer of this length, which no compression and no block of zeros makes easy. */
const patternLength = mib

/**
 * @typedef {{ start: number, end: number }} Run  bytes of the guest's disk, half-open
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} what
 * @property {number} virtualSize   bytes, at scale 1
 * @property {number} clusterSize   of the qcow2 overlay that qemu-img gets in its place
 * @property {(size: number, random: Random) => Iterable<Run>} backingRuns  where the backing file has data
 * @property {(size: number, random: Random) => Iterable<Run>} overlayRuns  what the overlay supplies
 *
 * @typedef {(limit: number) => number} Random
 */

/** @type {readonly Workload[]} */
export const workloads = [
  {
    name: 'W1',
    what: '4 KiB writes scattered over a half full image',
    virtualSize: 512 * mib,
    clusterSize: 4 * kib,
    backingRuns: (size, random) => scattered(size, mib, size / 2, random),
    overlayRuns: (size, random) => scattered(size, 4 * kib, size / 16, random),
  },
  {
    name: 'W2',
    what: 'runs of 4 MiB over a half full image',
    virtualSize: 512 * mib,
    clusterSize: 64 * kib,
    backingRuns: (size, random) => scattered(size, mib, size / 2, random),
    overlayRuns: (size, random) => longRuns(size, 4 * mib, random),
  },
  {
    name: 'W3',
    what: '4 KiB writes scattered over a big image that is nearly all holes',
    virtualSize: 8192 * mib,
    clusterSize: 4 * kib,
    backingRuns: (size, random) => scattered(size, mib, size / 128, random),
    overlayRuns: (size, random) => scattered(size, 4 * kib, size / 1024, random),
  },
  {
    name: 'W4',
    what: 'every second 512-byte sector of a full image',
    virtualSize: 512 * mib,
    clusterSize: 64 * kib,
    backingRuns: (size) => [{ start: 0, end: size }],
    overlayRuns: (size) => everySecondSector(size),
  },
  {
    name: 'W5',
    what: 'an overlay that is full',
    virtualSize: 512 * mib,
    clusterSize: 64 * kib,
    backingRuns: (size) => [{ start: 0, end: size }],
    overlayRuns: (size) => [{ start: 0, end: size }],
  },
]

/** Virtual size at a scale: whole MiB, at least 16 of them, so that no shape comes out empty. */
export function sizeAt(workload, scale) {
  return Math.max(16, Math.round((workload.virtualSize * scale) / mib)) * mib
}

/**
 * Write the pair of a workload: `root_fs` and `cow` in a directory that is made.
 *
 * @param {Workload} workload
 * @param {string} directory   an absolute path; it goes into the header
 * @param {number} scale
 */
export function makePair(workload, directory, scale) {
  mkdirSync(directory, { recursive: true })
  const virtualSize = sizeAt(workload, scale)
  const random = randomNumbers(workload.name)
  const backing = path.join(directory, 'root_fs')
  const overlay = path.join(directory, 'cow')
  const backingData = writeBacking(backing, virtualSize, workload.backingRuns(virtualSize, random))
  const overlayData = writeOverlay(overlay, backing, virtualSize, workload.overlayRuns(virtualSize, random))
  return { backing, overlay, virtualSize, backingData, overlayData }
}

function writeBacking(file, virtualSize, runs) {
  const written = withNewFile(file, (descriptor) => {
    ftruncateSync(descriptor, virtualSize)
    return writeRuns(descriptor, 0, runs, 'backing')
  })
  utimesSync(file, mtime, mtime)
  return written
}

// Version 3, big-endian, packed.  Source: Linux arch/um/drivers/cow_user.c, struct cow_header_v3
function writeOverlay(file, backing, virtualSize, runs) {
  const bitmapOffset = ceilTo(headerLength, alignment)
  const bitmap = Buffer.alloc(Math.ceil(virtualSize / sectorSize / 8))
  const dataOffset = ceilTo(bitmapOffset + bitmap.length, alignment)
  return withNewFile(file, (descriptor) => {
    ftruncateSync(descriptor, dataOffset + virtualSize)
    const written = writeRuns(descriptor, dataOffset, withBits(runs, bitmap), 'overlay')
    writeAll(descriptor, bitmap, bitmapOffset)
    writeAll(descriptor, header(backing, virtualSize), 0)
    return written
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

function* withBits(runs, bitmap) {
  for (const run of runs) {
    for (let sector = run.start / sectorSize; sector < run.end / sectorSize; sector++) {
      bitmap[Math.floor(sector / 8)] |= 1 << (sector % 8)
    }
    yield run
  }
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

/** Distinct pieces of one length at random places, in order. */
function scattered(size, pieceLength, total, random) {
  const places = Math.floor(size / pieceLength)
  const wanted = Math.max(1, Math.min(places, Math.round(total / pieceLength)))
  const taken = new Uint8Array(places)
  for (let count = 0; count < wanted; ) {
    const place = random(places)
    if (taken[place] === 0) count++
    taken[place] = 1
  }
  return piecesOf(taken, pieceLength)
}

function* piecesOf(taken, pieceLength) {
  for (let place = 0; place < taken.length; place++) {
    if (taken[place] === 1) yield { start: place * pieceLength, end: (place + 1) * pieceLength }
  }
}

/** A quarter of the image, at places that are no multiple of anything but a sector. */
function* longRuns(size, runLength, random) {
  for (let slot = 0; slot + 4 * runLength <= size; slot += 4 * runLength) {
    const start = slot + random((3 * runLength) / sectorSize) * sectorSize
    yield { start, end: start + runLength }
  }
}

function* everySecondSector(size) {
  for (let start = 0; start < size; start += 2 * sectorSize) yield { start, end: start + sectorSize }
}

/** Numbers below a limit, the same for the same name. @see Marsaglia, Xorshift RNGs, 2003 */
function randomNumbers(name) {
  let state = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 2463534242) | 0 || 1
  return (limit) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}

function withNewFile(file, fill) {
  const descriptor = openSync(file, 'w')
  try {
    return fill(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function writeAll(descriptor, bytes, offset) {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done)
  }
}

function ceilTo(value, multiple) {
  return Math.ceil(value / multiple) * multiple
}
