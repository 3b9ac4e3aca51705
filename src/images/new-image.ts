/**
 * Receives an image from its start to its end, and stores it in one format.
 *
 * Ranges that nobody writes are left to the backing file. In an image without one they are zeros.
 */
export interface ImageSink {
  /**
   * The unit of the format, bytes: a power of two. An image with a backing file takes ranges whose ends are multiples of
   * the unit, or the end of the image. So the sink never needs to read the backing file.
   */
  readonly unit: number
  /**
   * Store guest bytes. Offsets ascend, and calls do not overlap. The sink does not keep `data` after the promise ends,
   * or after the call when that returns undefined.
   */
  write(offset: number, data: Uint8Array): Promise<void> | undefined
  /** Make a range read as zeros, whatever the backing file has there. Offsets ascend with those of `write`. */
  zero(offset: number, length: number): Promise<void> | undefined
  /** Write what remains: tables, a bitmap, the header last. The store stays open: it is the caller's. */
  finish(): Promise<void>
}
