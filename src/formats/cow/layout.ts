import { ceilDivide, ceilTo, floorDivide } from '../../bytes/align.js'
import { type HeaderLayout, headerStructs } from './layouts.js'

/** What a header says that decides where things are. */
interface HeaderGeometry {
  readonly layout: HeaderLayout
  readonly virtualSize: number
  readonly sectorSize: number
  readonly alignment: number
}

/** Where things are in an overlay: bytes from its start, and counts of sectors. */
export interface CowLayout {
  readonly headerSize: number
  readonly bitmapOffset: number
  readonly bitmapLength: number
  readonly dataOffset: number
  /** Bytes of whole sectors that the data area spans: the virtual size, rounded up to a sector. */
  readonly dataLength: number
  /** Sectors of the virtual disk; the last one may be partial. */
  readonly sectorCount: number
  /** Sectors that have a bit: all of them in version 3, all but the last 1 to 7 at times in versions 1 and 2. */
  readonly bitCount: number
}

/**
 * Compute where the bitmap and the data of an overlay start.
 *
 * Versions 1 and 2 round the length of the bitmap down, so the last 1 to 7 sectors may have no bit; these always come
 * from the backing file.
 *
 * @param header  what a header says, any version, within the limits that `parseCowHeader` checks
 * @see           Linux arch/um/drivers/cow_user.c, cow_sizes; uml-utilities moo/cow.c, cow_sizes
 */
export function computeLayout(header: HeaderGeometry): CowLayout {
  const { virtualSize, sectorSize, alignment } = header
  const headerSize = headerStructs[header.layout].size
  const sectorCount = ceilDivide(virtualSize, sectorSize)
  const rest = { headerSize, sectorCount, dataLength: sectorCount * sectorSize }

  if (header.layout === 'v1' || header.layout === 'v2') {
    const bitmapLength = floorDivide(virtualSize + sectorSize - 1, 8 * sectorSize)
    const dataOffset = ceilTo(headerSize + bitmapLength, sectorSize)
    return {
      ...rest,
      bitmapOffset: headerSize,
      bitmapLength,
      dataOffset,
      bitCount: Math.min(sectorCount, bitmapLength * 8),
    }
  }
  const bitmapOffset = ceilTo(headerSize, alignment)
  const bitmapLength = ceilDivide(sectorCount, 8)
  const dataOffset = ceilTo(bitmapOffset + bitmapLength, alignment)
  return { ...rest, bitmapOffset, bitmapLength, dataOffset, bitCount: sectorCount }
}
