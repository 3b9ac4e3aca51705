import { escapeText } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import type { Qcow2Extensions } from './extensions.js'
import { compressionTypeOffset, incompatibleBit, version2Struct, type version3Struct } from './header-structs.js'

/** How the compressed clusters of an image are compressed. */
export type Qcow2Compression = 'zlib' | 'zstd'

/** Make the error for a field. */
export type Bad = (what: string, offset: number) => UmlcowError

type Features = ReturnType<typeof version3Struct.parse>

/** The features of version 2, which lacks these fields. */
export const version2Features: Features = {
  incompatibleHigh: 0,
  incompatibleLow: 0,
  compatibleHigh: 0,
  compatibleLow: 0,
  autoclearHigh: 0,
  autoclearLow: 0,
  refcountOrder: 4,
  headerLength: version2Struct.size,
}

/** Test a bit of 32, without operators that make the highest one negative. */
export function isSet(bits: number, bit: number): boolean {
  return Math.floor(bits / 2 ** bit) % 2 === 1
}

const supported: readonly number[] = [
  incompatibleBit.dirty,
  incompatibleBit.corrupt,
  incompatibleBit.compressionType,
  incompatibleBit.extendedL2,
]

/** Refuse a feature that changes how to read the image, by its name. */
export function refuseFeatures(
  name: string,
  cryptMethod: number,
  { incompatibleHigh, incompatibleLow }: Features,
  { featureNames }: Qcow2Extensions,
): void {
  const hint = 'convert it with a program that knows the feature: "qemu-img convert -O raw" makes a raw image'
  const refuse = (feature: string) =>
    new UmlcowError('QCOW2_FEATURE', `${name}: umlcow does not read ${feature}`, { details: { feature }, hint })
  if (cryptMethod !== 0) {
    const method = cryptMethod === 1 ? 'AES' : cryptMethod === 2 ? 'LUKS' : `method ${cryptMethod}`
    throw refuse(`encrypted qcow2 images (${method})`)
  }
  if (isSet(incompatibleLow, incompatibleBit.dataFile)) throw refuse('qcow2 images with an external data file')
  for (let bit = 0; bit < 64; bit++) {
    if (!isSet(bit < 32 ? incompatibleLow : incompatibleHigh, bit % 32) || supported.includes(bit)) continue
    const known = featureNames.get(`0:${bit}`)
    throw refuse(
      `qcow2 images with incompatible feature ${bit}${known === undefined ? '' : `, "${escapeText(known)}"`}`,
    )
  }
}

/** Find out how clusters are compressed: a byte of longer headers says so, and a feature bit that it counts. */
export function clusterCompression(
  head: Uint8Array,
  headerLength: number,
  isOther: boolean,
  name: string,
  bad: Bad,
): Qcow2Compression {
  const type = headerLength > compressionTypeOffset ? (head[compressionTypeOffset] ?? 0) : 0
  if (isOther !== type > 0) throw bad(`compression type ${type} does not agree with the incompatible features`, 104)
  if (type === 0) return 'zlib'
  if (type === 1) return 'zstd'
  throw new UmlcowError('QCOW2_FEATURE', `${name}: umlcow does not read qcow2 images with compression type ${type}`, {
    details: { feature: `compression type ${type}` },
  })
}
