// A qcow2 overlay of the same content: qemu-img has not read COW files since 2014. Written here because qemu-img makes
// one by comparing whole images, which takes minutes for a big one.
import { ftruncateSync } from 'node:fs'
import { readFully } from './compare.js'
import { withFile, writeAll } from './pairs.js'

// Version 3, big-endian.  Source: qemu docs/interop/qcow2.txt
const headerLength = 104
const backingNameOffset = 256
const copied = 2n ** 63n
const refcountLength = 2

/**
 * Write the clusters that the overlay touches, as they are in the merged image.
 *
 * @param {string} file
 * @param {{ backing: string, merged: string, virtualSize: number, overlayRuns: () => Iterable<{ start: number, end: number }> }} pair
 * @param {number} clusterSize
 */
export function writeQcow2(file, pair, clusterSize) {
  const layout = layoutOf(pair, clusterSize)
  withFile(file, 'w', (descriptor) => {
    ftruncateSync(descriptor, layout.clusterCount * clusterSize)
    writeAll(descriptor, headerOf(pair, layout), 0)
    writeRefcounts(descriptor, layout)
    withFile(pair.merged, 'r', (merged) => writeClusters(descriptor, merged, pair, layout))
  })
}

/** Header, L1 table, refcount table and blocks; then each L2 table, followed by its data. */
function layoutOf(pair, clusterSize) {
  const l2Entries = clusterSize / 8
  const l1Entries = Math.ceil(pair.virtualSize / clusterSize / l2Entries)
  const l1Clusters = Math.ceil((l1Entries * 8) / clusterSize)
  const payload = payloadClusters(pair, clusterSize, l2Entries)
  const refcountsInBlock = clusterSize / refcountLength
  // Enough for what they count, themselves included.
  const blocks = Math.ceil((payload + l1Clusters + 2) / (refcountsInBlock - 2)) + 1
  const tableClusters = Math.ceil((blocks * 8) / clusterSize)
  const tableStart = 1 + l1Clusters
  const blocksStart = tableStart + tableClusters
  const payloadStart = blocksStart + blocks
  const clusterCount = payloadStart + payload
  return {
    clusterSize,
    l2Entries,
    l1Entries,
    tableStart,
    tableClusters,
    blocksStart,
    blocks,
    payloadStart,
    clusterCount,
  }
}

/** Touched clusters, in order. */
function* clustersOf(pair, clusterSize) {
  let last = -1
  for (const { start, end } of pair.overlayRuns()) {
    for (let cluster = Math.max(last + 1, Math.floor(start / clusterSize)); cluster * clusterSize < end; cluster++) {
      yield cluster
      last = cluster
    }
  }
}

function payloadClusters(pair, clusterSize, l2Entries) {
  let count = 0
  let table = -1
  for (const cluster of clustersOf(pair, clusterSize)) {
    if (Math.floor(cluster / l2Entries) !== table) count++
    table = Math.floor(cluster / l2Entries)
    count++
  }
  return count
}

function headerOf({ backing, virtualSize }, { clusterSize, l1Entries, tableStart, tableClusters }) {
  const name = Buffer.from(backing)
  const bytes = Buffer.alloc(backingNameOffset + name.length)
  bytes.write('QFI\xfb', 0, 'latin1')
  bytes.writeUInt32BE(3, 4)
  bytes.writeBigUInt64BE(BigInt(backingNameOffset), 8)
  bytes.writeUInt32BE(name.length, 16)
  bytes.writeUInt32BE(Math.log2(clusterSize), 20)
  bytes.writeBigUInt64BE(BigInt(virtualSize), 24)
  bytes.writeUInt32BE(l1Entries, 36)
  bytes.writeBigUInt64BE(BigInt(clusterSize), 40)
  bytes.writeBigUInt64BE(BigInt(tableStart * clusterSize), 48)
  bytes.writeUInt32BE(tableClusters, 56)
  bytes.writeUInt32BE(Math.log2(refcountLength * 8), 96)
  bytes.writeUInt32BE(headerLength, 100)
  // The extension that names the format of the backing file; the zeros after it end the list.
  bytes.writeUInt32BE(0xe2792aca, headerLength)
  bytes.writeUInt32BE(3, headerLength + 4)
  bytes.write('raw', headerLength + 8)
  name.copy(bytes, backingNameOffset)
  return bytes
}

/** Every cluster is used once. */
function writeRefcounts(descriptor, { clusterSize, tableStart, tableClusters, blocksStart, blocks, clusterCount }) {
  const table = Buffer.alloc(tableClusters * clusterSize)
  for (let i = 0; i < blocks; i++) table.writeBigUInt64BE(BigInt((blocksStart + i) * clusterSize), i * 8)
  writeAll(descriptor, table, tableStart * clusterSize)
  const counts = Buffer.alloc(blocks * clusterSize)
  for (let i = 0; i < clusterCount; i++) counts.writeUInt16BE(1, i * refcountLength)
  writeAll(descriptor, counts, blocksStart * clusterSize)
}

function writeClusters(descriptor, merged, pair, { clusterSize, l2Entries, payloadStart }) {
  const data = Buffer.alloc(clusterSize)
  const entries = Buffer.alloc(clusterSize)
  const link = Buffer.alloc(8)
  let next = payloadStart
  let table = -1
  let tableAt = -1
  for (const cluster of clustersOf(pair, clusterSize)) {
    if (Math.floor(cluster / l2Entries) !== table) {
      if (tableAt >= 0) writeAll(descriptor, entries, tableAt)
      entries.fill(0)
      table = Math.floor(cluster / l2Entries)
      tableAt = next++ * clusterSize
      link.writeBigUInt64BE(copied + BigInt(tableAt))
      writeAll(descriptor, link, clusterSize + table * 8)
    }
    const at = next++ * clusterSize
    entries.writeBigUInt64BE(copied + BigInt(at), (cluster % l2Entries) * 8)
    data.fill(0, readFully(merged, data, cluster * clusterSize))
    writeAll(descriptor, data, at)
  }
  if (tableAt >= 0) writeAll(descriptor, entries, tableAt)
}
