import { viewOf } from '../../bytes/struct.js'
import { UmlcowError } from '../../errors.js'
import { parseExtensions, type Qcow2Extensions } from './extensions.js'
import {
  type Bad,
  clusterCompression,
  isSet,
  type Qcow2Compression,
  refuseFeatures,
  version2Features,
} from './header-features.js'
import {
  bitmapsBit,
  incompatibleBit,
  lazyRefcountsBit,
  limits,
  qcow2Magic,
  version2Struct,
  version3Struct,
} from './header-structs.js'

/** A parsed header of qcow2, version 2 or 3. Sizes and offsets are bytes. */
export interface Qcow2Header {
  readonly version: 2 | 3
  readonly clusterBits: number
  readonly clusterSize: number
  readonly virtualSize: number
  /** L2 entries have 16 bytes and describe 32 subclusters each. */
  readonly extendedL2: boolean
  /** Entries of the active L1 table. */
  readonly l1Size: number
  readonly l1Offset: number
  readonly refcountTableOffset: number
  readonly refcountTableClusters: number
  readonly refcountBits: number
  readonly snapshotCount: number
  readonly snapshotsOffset: number
  readonly compression: Qcow2Compression
  /** The refcounts may be wrong: a program that wrote the image did not close it. */
  readonly dirty: boolean
  /** A program found damage, and only a repair may write to the image. */
  readonly corrupt: boolean
  readonly lazyRefcounts: boolean
  /** The bitmaps extension is present and consistent. */
  readonly hasBitmaps: boolean
  /** The path of the backing file: bytes, not text; null without one. */
  readonly backingPath: Uint8Array | null
  readonly extensions: Qcow2Extensions
}

/** True when these are the first bytes of a qcow2 image. QEMU's older format has the same magic and version 1. */
export function isQcow2(head: Uint8Array): boolean {
  return head.length >= 4 && viewOf(head).getUint32(0, false) === qcow2Magic
}

/**
 * Parse the header of a qcow2 image.
 *
 * @param head     the first bytes of the file: some 4 KiB, or all of a shorter file
 * @param options  fileSize: length of the file, bytes. name: for messages
 * @throws         UmlcowError QCOW2_HEADER, QCOW2_FEATURE, SHORT_HEADER, BAD_VERSION, BAD_VIRTUAL_SIZE
 * @see            QEMU docs/interop/qcow2.rst
 */
export function parseQcow2Header(
  head: Uint8Array,
  { fileSize, name = 'image' }: { readonly fileSize: number; readonly name?: string },
): Qcow2Header {
  const short = (expected: number) =>
    new UmlcowError(
      'SHORT_HEADER',
      `${name}: the file ends inside its header: expected ${expected} bytes, got ${head.length}`,
      {
        details: { expected, got: head.length },
      },
    )
  if (head.length < version2Struct.size) throw short(version2Struct.size)
  const fields = version2Struct.parse(head, false)
  const { version } = fields
  if (version !== 2 && version !== 3) {
    const message = `${name}: expected version 2 or 3 of qcow2, got ${version} at offset 4`
    throw new UmlcowError('BAD_VERSION', message, { details: { version } })
  }
  const newSize = version2Struct.size + version3Struct.size
  if (version === 3 && head.length < newSize) throw short(newSize)
  const features = version === 3 ? version3Struct.parse(head.subarray(version2Struct.size), false) : version2Features
  const { clusterBits } = fields
  const bad = (what: string, offset: number) =>
    new UmlcowError('QCOW2_HEADER', `${name}: ${what} at offset ${offset}`, { details: { offset } })
  checkClusterBits(clusterBits, bad)
  const clusterSize = 2 ** clusterBits
  const backingPath = backingPathOf(head, fields, clusterSize, bad)
  checkHeaderLength(features.headerLength, version, clusterSize, bad)
  const end = backingPath === null ? clusterSize : fields.backingOffset
  const extensions = parseExtensions(head, features.headerLength, Math.min(end, fileSize), name)
  refuseFeatures(name, fields.cryptMethod, features, extensions)
  const has = (bit: number) => isSet(features.incompatibleLow, bit)
  const header: Qcow2Header = {
    version,
    clusterBits,
    clusterSize,
    virtualSize: fields.size,
    extendedL2: has(incompatibleBit.extendedL2),
    l1Size: fields.l1Size,
    l1Offset: fields.l1Offset,
    refcountTableOffset: fields.refcountTableOffset,
    refcountTableClusters: fields.refcountTableClusters,
    refcountBits: 2 ** features.refcountOrder,
    snapshotCount: fields.snapshotCount,
    snapshotsOffset: fields.snapshotsOffset,
    compression: clusterCompression(head, features.headerLength, has(incompatibleBit.compressionType), name, bad),
    dirty: has(incompatibleBit.dirty),
    corrupt: has(incompatibleBit.corrupt),
    lazyRefcounts: isSet(features.compatibleLow, lazyRefcountsBit),
    hasBitmaps: extensions.bitmaps !== null && isSet(features.autoclearLow, bitmapsBit),
    backingPath,
    extensions,
  }
  if (features.refcountOrder > limits.refcountOrder) {
    throw bad(`expected a refcount order of 0 to ${limits.refcountOrder}, got ${features.refcountOrder}`, 96)
  }
  checkTables(header, fileSize, name, bad)
  return header
}

type Fields = ReturnType<typeof version2Struct.parse>
function checkClusterBits(clusterBits: number, bad: Bad): void {
  const { least, most } = limits.clusterBits
  if (clusterBits >= least && clusterBits <= most) return
  throw bad(`expected clusters of 2^${least} to 2^${most} bytes, got 2^${clusterBits}`, 20)
}

function backingPathOf(head: Uint8Array, fields: Fields, clusterSize: number, bad: Bad): Uint8Array | null {
  const { backingOffset, backingLength } = fields
  if (backingOffset === 0) return null
  const most = limits.backingLength
  if (backingLength < 1 || backingLength > most) {
    throw bad(`expected a path of the backing file of 1 to ${most} bytes, got ${backingLength}`, 16)
  }
  const end = backingOffset + backingLength
  if (backingOffset < version2Struct.size || end > Math.min(clusterSize, head.length)) {
    throw bad(`the path of the backing file is not behind the header: ${backingLength} bytes at ${backingOffset}`, 8)
  }
  const path = Uint8Array.from(head.subarray(backingOffset, end))
  if (path.includes(0)) throw bad('the path of the backing file holds a NUL', backingOffset)
  return path
}

function checkHeaderLength(headerLength: number, version: number, clusterSize: number, bad: Bad): void {
  if (version === 2) return
  const least = version2Struct.size + version3Struct.size
  if (headerLength >= least && headerLength % 8 === 0 && headerLength <= clusterSize) return
  throw bad(`expected a header length that is a multiple of 8 from ${least} on, got ${headerLength}`, 100)
}

/** Compute how many guest bytes one L2 table describes. */
export function l2Coverage({ clusterSize, extendedL2 }: Pick<Qcow2Header, 'clusterSize' | 'extendedL2'>): number {
  return (clusterSize / (extendedL2 ? 16 : 8)) * clusterSize
}

/** The tables must lie in the file, so that nothing is allocated or read in proportion to a number in the header. */
function checkTables(header: Qcow2Header, fileSize: number, name: string, bad: Bad): void {
  const { clusterSize, clusterBits, virtualSize, l1Size, l1Offset } = header
  if (header.extendedL2 && clusterBits < limits.leastExtendedClusterBits) {
    throw bad(`expected clusters of 2^${limits.leastExtendedClusterBits} bytes or more with subclusters`, 20)
  }
  const l1Needed = Math.ceil(virtualSize / l2Coverage(header))
  if (!Number.isSafeInteger(virtualSize) || l1Needed * 8 > limits.l1Bytes) {
    throw new UmlcowError('BAD_VIRTUAL_SIZE', `${name}: the virtual size at offset 24 is too large`, {
      details: { virtualSize: Number.isFinite(virtualSize) ? virtualSize : null },
    })
  }
  if (l1Size * 8 > limits.l1Bytes || l1Size < l1Needed) throw bad(`expected ${l1Needed} L1 entries, got ${l1Size}`, 36)
  const place = (what: string, offset: number, length: number, field: number) => {
    if (offset % clusterSize === 0 && offset >= clusterSize && offset + length <= fileSize) return
    throw bad(`the ${what}, ${length} bytes at ${offset}, is not on a cluster inside the file`, field)
  }
  if (l1Size > 0) place('L1 table', l1Offset, l1Size * 8, 40)
  const tableLength = header.refcountTableClusters * clusterSize
  if (tableLength === 0 || tableLength > limits.refcountTableBytes) {
    throw bad(`expected a refcount table of 1 byte to ${limits.refcountTableBytes} bytes, got ${tableLength}`, 56)
  }
  // Its last cluster may end behind the file, as a file may end inside any last cluster.
  place('refcount table', header.refcountTableOffset, 8, 48)
  if (header.snapshotCount > limits.snapshots) throw bad(`expected at most ${limits.snapshots} snapshots`, 60)
  if (header.snapshotCount > 0) place('snapshot table', header.snapshotsOffset, 40, 64)
  if ((header.extensions.bitmaps?.count ?? 0) > limits.bitmaps) throw bad('too many bitmaps', 0)
}
