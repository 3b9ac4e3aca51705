import { isPowerOfTwo } from '../../bytes/align.js'
import { assertBytes } from '../../bytes/assert-bytes.js'
import { viewOf } from '../../bytes/struct.js'
import { UmlcowError } from '../../errors.js'
import { foreignFormatOf } from '../recognise/foreign-format.js'
import { cowMagic, type HeaderLayout, headerStructs } from './header-structs.js'
import { computeLayout } from './layout.js'

export type ByteOrder = 'big' | 'little'

/** A parsed header, any version. Sizes and offsets are bytes, mtime is seconds since 1970. */
export interface CowHeader {
  readonly version: 1 | 2 | 3
  /** `v3padded`: version 3 as 64-bit hosts wrote it before December 2005. */
  readonly layout: HeaderLayout
  /** Byte order of magic and version. */
  readonly magicOrder: ByteOrder
  /** Byte order of the other fields: always big from version 2 on. */
  readonly fieldOrder: ByteOrder
  /** Modification time of the backing file, seconds since 1970, 0 to 2^32 - 1. */
  readonly mtime: number
  readonly virtualSize: number
  readonly sectorSize: number
  /** Versions 1 and 2 have no alignment of their own: their data starts on a multiple of sectorSize. */
  readonly alignment: number
  readonly cowFormat: number
  /** The path of the backing file without its NUL: bytes, not text. */
  readonly backingPath: Uint8Array
  /** The whole header as it is in the file, with its reserved fields and the bytes after the path. */
  readonly bytes: Uint8Array
}

export const maxSectorSize = 2 ** 20
export const maxAlignment = 2 ** 30

interface Reading {
  readonly layout: HeaderLayout
  readonly magicOrder: ByteOrder
  readonly fieldOrder: ByteOrder
}

type HeaderValues = {
  mtime: number
  size: number
  sectorSize: number
  alignment?: number
  cowFormat?: number
  backingFile: Uint8Array
}

/** Find the byte order of the magic at the start of `bytes`; null when there is no magic. */
export function cowMagicOrder(bytes: Uint8Array): ByteOrder | null {
  if (bytes.length < 4) return null
  const view = viewOf(bytes)
  if (view.getUint32(0, false) === cowMagic) return 'big'
  return view.getUint32(0, true) === cowMagic ? 'little' : null
}

function notCow(name: string, bytes: Uint8Array): UmlcowError {
  const foreign = foreignFormatOf(bytes)
  if (foreign === null) {
    return new UmlcowError('NOT_COW', `${name}: not a COW file: expected the magic 0x4f4f4f4d at offset 0`)
  }
  return new UmlcowError('NOT_COW', `${name}: not a COW file: it is ${foreign.description}`, { hint: foreign.hint })
}

/**
 * Parse the header of an overlay.
 *
 * @param bytes     the first `maxHeaderSize` bytes of the file, or all of a shorter one
 * @param options   fileSize: length of the whole file in bytes, undefined when unknown (a pipe). It only decides
 *                  between the two readings of a version 1 header with a big-endian magic. name: for messages
 * @throws          UmlcowError NOT_COW, SHORT_HEADER, BAD_VERSION, BAD_BYTE_ORDER, BAD_SECTOR_SIZE, BAD_ALIGNMENT,
 *                  BAD_VIRTUAL_SIZE, BAD_COW_FORMAT, BAD_BACKING_PATH
 * @see             Linux arch/um/drivers/cow_user.c, read_cow_header
 */
export function parseCowHeader(
  bytes: Uint8Array,
  options: { fileSize?: number | undefined; name?: string } = {},
): CowHeader {
  assertBytes('bytes', bytes)
  const name = options.name ?? 'overlay'
  const magicOrder = cowMagicOrder(bytes)
  if (magicOrder === null) {
    throw notCow(name, bytes)
  }
  if (bytes.length < 8) throw shortHeader(name, bytes.length, 8)
  const version = viewOf(bytes).getUint32(4, magicOrder === 'little')
  if (version === 2) return parseAs(bytes, { layout: 'v2', magicOrder, fieldOrder: 'big' }, name)
  if (version === 3) return parseVersion3(bytes, magicOrder, name)
  if (version !== 1) {
    throw new UmlcowError('BAD_VERSION', `${name}: expected version 1, 2 or 3, got ${version} at offset 4`, {
      details: { version },
    })
  }
  if (magicOrder === 'little') return parseAs(bytes, { layout: 'v1', magicOrder, fieldOrder: 'little' }, name)
  return parseBigMagicVersion1(bytes, options.fileSize, name)
}

/**
 * Parse version 3, packed or padded.
 *
 * A padded header has its cowFormat, 0, where the path of a packed one starts. So a packed header with an empty path
 * counts as padded, as in the kernel. Its cowFormat, 0, then fails the check of the alignment.
 */
function parseVersion3(bytes: Uint8Array, magicOrder: ByteOrder, name: string): CowHeader {
  const pathOffset = headerStructs.v3.offsetOf('backingFile')
  const padded = bytes.length >= pathOffset + 4 && viewOf(bytes).getUint32(pathOffset, false) === 0
  return parseAs(bytes, { layout: padded ? 'v3padded' : 'v3', magicOrder, fieldOrder: 'big' }, name)
}

/**
 * Parse version 1, which has the byte order of its host, with a big-endian magic.
 *
 * Either all fields are big-endian or, as the kernel has it, only magic and version.
 */
function parseBigMagicVersion1(bytes: Uint8Array, fileSize: number | undefined, name: string): CowHeader {
  if (bytes.length < headerStructs.v1.size) throw shortHeader(name, bytes.length, headerStructs.v1.size)
  const orders: ByteOrder[] = ['big', 'little']
  const plausible = orders
    .map((fieldOrder) => tryParse(bytes, { layout: 'v1', magicOrder: 'big', fieldOrder }, name))
    .filter((header): header is CowHeader => header !== null && isPlausible(header, fileSize))
  if (plausible.length === 1 && plausible[0] !== undefined) return plausible[0]
  throw new UmlcowError(
    'BAD_BYTE_ORDER',
    `${name}: version 1 with a big-endian magic: ${plausible.length === 0 ? 'neither' : 'either'} byte order gives a ` +
      'plausible sector size, virtual size and file length',
    { details: { plausibleReadings: plausible.length } },
  )
}

/** True when this header fits the length of the file: the file holds the bitmap, and nothing after the data. */
function isPlausible(header: CowHeader, fileSize: number | undefined): boolean {
  if (fileSize === undefined) return true
  const { bitmapOffset, bitmapLength, dataOffset, dataLength } = computeLayout(header)
  return fileSize >= bitmapOffset + bitmapLength && fileSize <= dataOffset + dataLength
}

function tryParse(bytes: Uint8Array, reading: Reading, name: string): CowHeader | null {
  try {
    return parseAs(bytes, reading, name)
  } catch (error) {
    if (error instanceof UmlcowError) return null // This reading is wrong. The other one may be right.
    throw error
  }
}

function parseAs(bytes: Uint8Array, reading: Reading, name: string): CowHeader {
  const struct = headerStructs[reading.layout]
  if (bytes.length < struct.size) throw shortHeader(name, bytes.length, struct.size)
  const values: HeaderValues = struct.parse(bytes, reading.fieldOrder === 'little')
  const at = (field: 'size' | 'sectorSize' | 'backingFile') => struct.offsetOf(field)

  checkSectorSize(values.sectorSize, at('sectorSize'), name)
  const alignment = values.alignment ?? values.sectorSize
  if (values.alignment !== undefined && (alignment < 1 || alignment > maxAlignment)) {
    const orEmpty = reading.layout === 'v3padded' && alignment === 0 ? '; or its path is empty' : ''
    const message = `${name}: expected an alignment of 1 to ${maxAlignment}, got ${alignment}${orEmpty}`
    throw new UmlcowError('BAD_ALIGNMENT', message, { details: { alignment } })
  }
  if ((values.cowFormat ?? 0) !== 0) {
    throw new UmlcowError('BAD_COW_FORMAT', `${name}: expected cow format 0, got ${values.cowFormat}`, {
      details: { cowFormat: values.cowFormat ?? 0 },
    })
  }
  const pathLength = values.backingFile.indexOf(0)
  if (pathLength < 0) {
    throw new UmlcowError(
      'BAD_BACKING_PATH',
      `${name}: the path of the backing file at offset ${at('backingFile')} has no end in its ${values.backingFile.length} bytes`,
    )
  }
  const header: CowHeader = {
    version: reading.layout === 'v1' ? 1 : reading.layout === 'v2' ? 2 : 3,
    ...reading,
    mtime: values.mtime,
    virtualSize: values.size,
    sectorSize: values.sectorSize,
    alignment,
    cowFormat: 0,
    backingPath: values.backingFile.slice(0, pathLength),
    bytes: Uint8Array.from(bytes.subarray(0, struct.size)),
  }
  checkVirtualSize(header, at('size'), name)
  return header
}

function checkSectorSize(sectorSize: number, offset: number, name: string): void {
  if (isPowerOfTwo(sectorSize) && sectorSize >= 512 && sectorSize <= maxSectorSize) return
  throw new UmlcowError(
    'BAD_SECTOR_SIZE',
    `${name}: expected a sector size that is a power of two from 512 to ${maxSectorSize}, got ${sectorSize} at offset ${offset}`,
    { details: { sectorSize } },
  )
}

/** Every offset that follows from the virtual size must be an exact JavaScript integer. */
function checkVirtualSize(header: CowHeader, offset: number, name: string): void {
  if (Number.isSafeInteger(header.virtualSize)) {
    const { dataOffset, dataLength } = computeLayout(header)
    if (Number.isSafeInteger(dataOffset + dataLength)) return
  }
  throw new UmlcowError(
    'BAD_VIRTUAL_SIZE',
    `${name}: expected a virtual size whose end lies below 2^53, got ${header.virtualSize} at offset ${offset}`,
    { details: { virtualSize: Number.isFinite(header.virtualSize) ? header.virtualSize : null } },
  )
}

function shortHeader(name: string, got: number, expected: number): UmlcowError {
  return new UmlcowError(
    'SHORT_HEADER',
    `${name}: the file ends inside its header: expected ${expected} bytes, got ${got}`,
    {
      details: { expected, got },
    },
  )
}
