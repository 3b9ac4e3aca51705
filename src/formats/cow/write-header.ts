import { assertBytes } from '../../bytes/assert-bytes.js'
import { equalBytes, utf8Bytes } from '../../bytes/fast.js'
import { type ErrorCode, UmlcowError } from '../../errors.js'
import { type CowHeader, parseCowHeader } from './header.js'
import { cowMagic, headerStructs } from './header-structs.js'

/** The values of a new version 3 header. */
export interface NewCowHeader {
  readonly mtime: number
  readonly virtualSize: number
  readonly sectorSize: number
  readonly alignment: number
  readonly backingPath: Uint8Array
}

/**
 * Serialize a new header, version 3, as uml_mkcow and the kernel write it. `parseCowHeader` returns the same values.
 *
 * @throws UmlcowError PATH_TOO_LONG, BAD_BACKING_PATH, BAD_MTIME, BAD_SECTOR_SIZE, BAD_ALIGNMENT, BAD_VIRTUAL_SIZE
 * @throws TypeError when the path is not bytes
 */
export function serializeNewHeader(header: NewCowHeader): Uint8Array {
  const struct = headerStructs.v3
  // A value with too many bits for its field would silently become another value.
  checkWhole('BAD_SECTOR_SIZE', 'a sector size', header.sectorSize, 2 ** 32 - 1)
  checkWhole('BAD_ALIGNMENT', 'an alignment', header.alignment, 2 ** 32 - 1)
  checkWhole('BAD_VIRTUAL_SIZE', 'a virtual size', header.virtualSize, Number.MAX_SAFE_INTEGER)
  const bytes = struct.serialize(
    {
      magic: cowMagic,
      version: 3,
      mtime: checkedMtime(header.mtime),
      size: header.virtualSize,
      sectorSize: header.sectorSize,
      alignment: header.alignment,
      cowFormat: 0,
      backingFile: pathField(header.backingPath, struct.lengthOf('backingFile')),
    },
    false,
  )
  parseCowHeader(bytes, { name: 'new header' })
  return bytes
}

function checkWhole(code: ErrorCode, what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return
  throw new UmlcowError(code, `new header: expected ${what} that is a whole number up to ${most}, got ${value}`)
}

/**
 * Serialize a header with another path or mtime. All other bytes stay: reserved fields, and the bytes after the path
 * that the new path does not cover.
 *
 * @throws UmlcowError PATH_TOO_LONG, BAD_BACKING_PATH, BAD_MTIME
 */
export function editHeader(
  header: CowHeader,
  change: { backingPath?: Uint8Array | undefined; mtime?: number | undefined },
): Uint8Array {
  const struct = headerStructs[header.layout]
  const bytes = Uint8Array.from(header.bytes)
  if (change.backingPath !== undefined) {
    const field = pathField(change.backingPath, struct.lengthOf('backingFile'))
    bytes.set(field.subarray(0, change.backingPath.length + 1), struct.offsetOf('backingFile'))
  }
  if (change.mtime !== undefined) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    view.setUint32(struct.offsetOf('mtime'), checkedMtime(change.mtime), header.fieldOrder === 'little')
  }
  return bytes
}

/** An undo overlay has this mark after the NUL of the path, where the kernel and uml_moo do not look. */
const undoMark = utf8Bytes('umlcow undo overlay 1\0')

/** Make the header of an undo overlay, which can undo a merge. @throws UmlcowError PATH_TOO_LONG */
export function markUndo(header: NewCowHeader): Uint8Array {
  const bytes = serializeNewHeader(header)
  const limit = headerStructs.v3.lengthOf('backingFile') - 1 - undoMark.length
  if (header.backingPath.length > limit) throw pathTooLong(header.backingPath.length, limit)
  bytes.set(undoMark, headerStructs.v3.offsetOf('backingFile') + header.backingPath.length + 1)
  return bytes
}

/** True when a header has the mark of an undo overlay. */
export function isUndoHeader(header: Pick<CowHeader, 'layout' | 'backingPath' | 'bytes'>): boolean {
  const start = headerStructs[header.layout].offsetOf('backingFile') + header.backingPath.length + 1
  return equalBytes(undoMark, header.bytes.subarray(start, start + undoMark.length))
}

/** Compute how many bytes of path a header of this layout can hold, without the NUL. */
export function maxBackingPathLength(layout: CowHeader['layout']): number {
  return headerStructs[layout].lengthOf('backingFile') - 1
}

function pathField(path: Uint8Array, length: number): Uint8Array {
  assertBytes('backingPath', path)
  if (path.length === 0 || path.includes(0)) {
    throw new UmlcowError('BAD_BACKING_PATH', 'the path of a backing file is empty or holds a NUL byte')
  }
  if (path.length > length - 1) {
    throw pathTooLong(path.length, length - 1)
  }
  const field = new Uint8Array(length)
  field.set(path)
  return field
}

function pathTooLong(length: number, limit: number): UmlcowError {
  return new UmlcowError(
    'PATH_TOO_LONG',
    `the path of the backing file has ${length} bytes, the header holds ${limit}`,
    { details: { length, limit } },
  )
}

function checkedMtime(mtime: number): number {
  if (Number.isInteger(mtime) && mtime >= 0 && mtime < 2 ** 32) return mtime
  throw new UmlcowError(
    'BAD_MTIME',
    `a header holds modification times from 1970 to 2106 only, the backing file's is ${mtime} s`,
    { details: { mtime } },
  )
}
