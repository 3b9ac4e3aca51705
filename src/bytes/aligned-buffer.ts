import { bytesOver } from './fast.js'

/**
 * Allocate memory that starts on a page boundary, as direct reads require.
 *
 * A resizable ArrayBuffer starts on one; other memory never does. @see native-free-notes/aligned-buffers.md
 */
export function alignedBuffer(length: number): Uint8Array {
  return bytesOver(new ArrayBuffer(length, { maxByteLength: length }), 0, length)
}

/** When glibc maps an allocation by itself, the memory starts this many bytes after a page boundary. */
const malloced = 16
const pageSize = 4096

/**
 * Allocate memory for transfers through the page cache. Callers make many parts of it.
 *
 * The memory usually starts on a page boundary, because the kernel copies whole pages faster. Nothing depends on it.
 * `alignedBuffer` does not fit here: parts of resizable memory outlive V8's young collections, even as garbage.
 *
 * @see native-free-notes/aligned-buffers.md
 */
export function transferBuffer(length: number): Uint8Array {
  return bytesOver(new ArrayBuffer(length + pageSize), pageSize - malloced, length)
}
