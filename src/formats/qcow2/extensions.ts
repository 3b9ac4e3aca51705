import { latin1Text } from '../../bytes/fast.js'
import { viewOf } from '../../bytes/struct.js'
import { UmlcowError } from '../../errors.js'
import { extensionType } from './header-structs.js'

/** Where the bitmaps of an image are.  Source: QEMU docs/interop/qcow2.rst, "Bitmaps extension" */
export interface BitmapsExtension {
  readonly count: number
  readonly directoryLength: number
  readonly directoryOffset: number
}

/** What the header extensions say. umlcow ignores those that it does not know, as the specification allows. */
export interface Qcow2Extensions {
  /** The format of the backing file; null when the image does not record it. */
  readonly backingFormat: string | null
  /** Names of features: the key is the type of the feature and the number of its bit, such as `0:4`. */
  readonly featureNames: ReadonlyMap<string, string>
  readonly bitmaps: BitmapsExtension | null
}

// offset size field   meaning
//      0    4 type    see `extensionType`
//      4    4 length  bytes of the data that follow, without the padding to a multiple of 8
const extensionHeaderSize = 8

// Entry of the feature name table:
//
// offset size field   meaning
//      0    1 type    0 = incompatible, 1 = compatible, 2 = autoclear
//      1    1 bit     its number, 0 to 63
//      2   46 name    padded with NUL
const featureNameSize = 48

/**
 * Parse the header extensions.
 *
 * @param bytes  the first bytes of the file
 * @param start  where the extensions start: the length of the header
 * @param end    where they end at the latest: the path of the backing file, or the end of the first cluster
 * @throws       UmlcowError QCOW2_HEADER when an extension goes beyond `end` or beyond `bytes`
 */
export function parseExtensions(bytes: Uint8Array, start: number, end: number, name: string): Qcow2Extensions {
  let backingFormat: string | null = null
  let bitmaps: BitmapsExtension | null = null
  const featureNames = new Map<string, string>()
  const view = viewOf(bytes)
  for (let at = start; at + extensionHeaderSize <= end; ) {
    if (at + extensionHeaderSize > bytes.length) throw outside(name, at)
    const type = view.getUint32(at, false)
    const length = view.getUint32(at + 4, false)
    if (type === extensionType.end) break
    const from = at + extensionHeaderSize
    if (from + length > Math.min(end, bytes.length)) throw outside(name, at)
    const data = bytes.subarray(from, from + length)
    if (type === extensionType.backingFormat) backingFormat = latin1Text(data)
    else if (type === extensionType.featureNames) addFeatureNames(data, featureNames)
    else if (type === extensionType.bitmaps) bitmaps = parseBitmaps(data, name, at)
    at = from + Math.ceil(length / 8) * 8
  }
  return { backingFormat, featureNames, bitmaps }
}

function addFeatureNames(data: Uint8Array, names: Map<string, string>): void {
  for (let at = 0; at + featureNameSize <= data.length; at += featureNameSize) {
    const name = data.subarray(at + 2, at + featureNameSize)
    const end = name.indexOf(0)
    names.set(`${data[at]!}:${data[at + 1]!}`, latin1Text(name, 0, end < 0 ? name.length : end))
  }
}

// offset size field            meaning
//      0    4 count            bitmaps
//      4    4 reserved         0
//      8    8 directoryLength  bytes of the bitmap directory
//     16    8 directoryOffset  where it starts
function parseBitmaps(data: Uint8Array, name: string, at: number): BitmapsExtension {
  if (data.length < 24) throw outside(name, at)
  const view = viewOf(data)
  const number = (offset: number) => view.getUint32(offset, false) * 2 ** 32 + view.getUint32(offset + 4, false)
  return { count: view.getUint32(0, false), directoryLength: number(8), directoryOffset: number(16) }
}

function outside(name: string, offset: number): UmlcowError {
  return new UmlcowError('QCOW2_HEADER', `${name}: the header extension at offset ${offset} goes beyond its area`, {
    details: { offset },
  })
}
