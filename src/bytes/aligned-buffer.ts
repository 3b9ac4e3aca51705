/**
 * Memory that starts on a page boundary, as direct reads ask for: that of resizable ArrayBuffers does, that of other
 * Buffers never. @see native-free-notes/aligned-buffers.md
 */
export function alignedBuffer(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length, { maxByteLength: length }))
}

/** Where large memory starts, as the C library gives it: so far behind a page boundary. */
const malloced = 16
const pageSize = 4096

/**
 * Memory for transfers through the page cache, many parts of which are made. It starts on a page boundary where the C
 * library is glibc, for whole pages are copied faster; nothing hangs on that.
 *
 * Not `alignedBuffer`: what is made of parts of resizable memory outlives V8's young collections, garbage or not.
 */
export function transferBuffer(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length + pageSize), pageSize - malloced, length)
}
