import { describe, expect, it } from 'vitest'
import { alignedBuffer, transferBuffer } from '../../src/bytes/aligned-buffer.js'

describe.each([1, 4096, 2 * 256 * 1024])('memory of %d bytes', (length) => {
  it('has its length and is all zeros, for direct reads and for windows', () => {
    for (const bytes of [alignedBuffer(length), transferBuffer(length)]) {
      expect(bytes.length).toBe(length)
      expect(bytes.every((byte) => byte === 0)).toBe(true)
    }
  })

  it('is plain for windows, for parts of resizable memory outlive young collections', () => {
    expect(transferBuffer(length).buffer).toMatchObject({ resizable: false })
  })
})
