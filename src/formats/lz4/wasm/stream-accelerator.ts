import { createAccelerator, type Lz4Accelerator } from './accelerator.js'

/** The accelerator of a stream. Its frames share it, however many there are. */
export class StreamAccelerator {
  private current: Lz4Accelerator | null = null
  private isMissing = false

  /** Get one with `length` bytes or more; null where the host has none. */
  atLeast(length: number): Lz4Accelerator | null {
    if (this.isMissing || (this.current !== null && this.current.bytes.length >= length)) return this.current
    this.current = createAccelerator(length)
    this.isMissing = this.current === null
    return this.current
  }
}
