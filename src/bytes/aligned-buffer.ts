/**
 * Memory that starts on a page boundary, as direct reads ask for: that of resizable ArrayBuffers does, that of other
 * Buffers never. @see native-free-notes/aligned-buffers.md
 */
export function alignedBuffer(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length, { maxByteLength: length }))
}
