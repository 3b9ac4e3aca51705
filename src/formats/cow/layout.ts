import { ceilDivide, ceilTo, floorDivide } from '../../bytes/align.js'
import { type HeaderLayout, headerStructs } from './header-structs.js'

/** The fields of a header that decide where bitmap and data are. */
interface HeaderGeometry {
  readonly layout: HeaderLayout
  readonly virtualSize: number
  readonly sectorSize: number
  readonly alignment: number
}

/** Where bitmap and data are in an overlay: bytes from its start, and counts of sectors. */
export interface CowLayout {
  readonly headerSize: number
  readonly bitmapOffset: number
  readonly bitmapLength: number
  readonly dataOffset: number
  /** Length of the data area, bytes: the virtual size, rounded up to a sector. */
  readonly dataLength: number
  /** Sectors of the virtual disk; the last one may be partial. */
  readonly sectorCount: number
  /** Sectors that have a bit: all in version 3. In versions 1 and 2 the last 1 to 7 sectors may have none. */
  readonly bitCount: number
}

/**
 * Compute where the bitmap and the data of an overlay start.
 *
 * Versions 1 and 2 round the length of the bitmap down, so the last 1 to 7 sectors may have no bit. The backing file
 * always supplies these.
 *
 * @param header  fields of any version, within the limits that `parseCowHeader` checks
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
