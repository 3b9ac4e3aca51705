import { bytesOver } from './fast.js'

/**
 * Memory that starts on a page boundary, as direct reads ask for: that of resizable ArrayBuffers does, other
 * memory never. @see native-free-notes/aligned-buffers.md
 */
export function alignedBuffer(length: number): Uint8Array {
  return bytesOver(new ArrayBuffer(length, { maxByteLength: length }), 0, length)
}

/** Where memory starts that glibc takes from the kernel as a piece of its own: so far behind a page boundary. */
const malloced = 16
const pageSize = 4096

/**
 * Memory for transfers through the page cache, many parts of which are made. As a rule it starts on a page boundary, for
 * whole pages are copied faster; nothing hangs on that. @see native-free-notes/aligned-buffers.md
 *
 * Not `alignedBuffer`: what is made of parts of resizable memory outlives V8's young collections, garbage or not.
 */
export function transferBuffer(length: number): Uint8Array {
  return bytesOver(new ArrayBuffer(length + pageSize), pageSize - malloced, length)
}
