import { allocate, latin1Bytes } from '../../bytes/fast.js'
import { viewOf } from '../../bytes/struct.js'
import { UmlcowError } from '../../errors.js'
import { extensionType, limits, qcow2Magic, version2Struct, version3Struct } from './header-structs.js'

/** What a new header says. Sizes and offsets are bytes. */
export interface NewQcow2Header {
  readonly clusterBits: number
  readonly virtualSize: number
  readonly l1Size: number
  readonly l1Offset: number
  readonly refcountTableOffset: number
  readonly refcountTableClusters: number
  /** The format is recorded, so that no program has to guess it from what a guest wrote. */
  readonly backing?: { readonly path: Uint8Array; readonly format: string } | undefined
}

/** Width of the refcounts that umlcow writes, as an exponent: 16 bits. */
const refcountOrder = 4

const headerLength = version2Struct.size + version3Struct.size

/**
 * Make the header of a new image: version 3, zlib, refcounts of 16 bits. It fits into the first cluster.
 *
 * @throws UmlcowError PATH_TOO_LONG
 */
export function serializeQcow2Header(header: NewQcow2Header): Uint8Array {
  const { backing, clusterBits, virtualSize, l1Size, l1Offset, refcountTableOffset, refcountTableClusters } = header
  const format = backing === undefined ? null : latin1Bytes(backing.format)
  const formatSize = format === null ? 0 : 8 + Math.ceil(format.length / 8) * 8
  const backingOffset = headerLength + formatSize + 8
  const backingLength = backing?.path.length ?? 0
  checkPath(backingLength, Math.min(limits.backingLength, 2 ** clusterBits - backingOffset))
  const bytes = allocate(backingOffset + backingLength)
  bytes.set(
    version2Struct.serialize(
      {
        magic: qcow2Magic,
        version: 3,
        backingOffset: backing === undefined ? 0 : backingOffset,
        backingLength,
        clusterBits,
        size: virtualSize,
        cryptMethod: 0,
        l1Size,
        l1Offset,
        refcountTableOffset,
        refcountTableClusters,
        snapshotCount: 0,
        snapshotsOffset: 0,
      },
      false,
    ),
  )
  bytes.set(
    version3Struct.serialize(
      {
        incompatibleHigh: 0,
        incompatibleLow: 0,
        compatibleHigh: 0,
        compatibleLow: 0,
        autoclearHigh: 0,
        autoclearLow: 0,
        refcountOrder,
        headerLength,
      },
      false,
    ),
    version2Struct.size,
  )
  if (backing === undefined || format === null) return bytes
  const view = viewOf(bytes)
  view.setUint32(headerLength, extensionType.backingFormat, false)
  view.setUint32(headerLength + 4, format.length, false)
  bytes.set(format, headerLength + 8)
  bytes.set(backing.path, backingOffset)
  return bytes
}

function checkPath(length: number, most: number): void {
  if (length <= most) return
  throw new UmlcowError(
    'PATH_TOO_LONG',
    `the path of the backing file has ${length} bytes; the header has room for ${most}`,
    {
      details: { length, most },
    },
  )
}
