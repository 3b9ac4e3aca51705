import type { Extent } from '../bytes/extents.js'
import { UmlcowError } from '../errors.js'

/** What a guest sees: `virtualSize` bytes. */
export interface Image {
  readonly virtualSize: number
  /** Fill `target` with the guest bytes from `offset` on. @throws UmlcowError OUT_OF_RANGE beyond the virtual size */
  read(offset: number, target: Uint8Array): Promise<void>
  /** List the extents that tile `length` bytes from `start` exactly, in order. @throws UmlcowError OUT_OF_RANGE */
  extents(start: number, length: number): AsyncIterable<Extent>
  close(): Promise<void>
}

/** @throws UmlcowError OUT_OF_RANGE unless the bytes lie within the image */
export function checkGuestRange(image: Pick<Image, 'virtualSize'>, start: number, length: number): void {
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(length) && start >= 0 && length >= 0
  if (whole && start + length <= image.virtualSize) return
  throw new UmlcowError('OUT_OF_RANGE', `no ${length} bytes at ${start} in an image of ${image.virtualSize} bytes`, {
    details: { start, length, virtualSize: image.virtualSize },
  })
}
