import type { HostFiles, HostPath } from '../machine/host-files.js'
import { type Rule, whole } from '../machine/option-rules.js'
import { pathBytes } from '../machine/path-bytes.js'

/** A path of an image, and the number of a partition in it; null for none. */
export interface PartitionPath {
  readonly path: HostPath
  readonly partition: number | null
}

const longestNumber = 5

/** The highest number that umlcow takes for a partition. */
export const highestPartition = 10 ** longestNumber - 1

/** The rule for the number of a partition: 0 stands for the whole image. */
export const partition: Rule = whole(0, highestPartition)

const at = 0x40
const zero = 0x30

/**
 * Split `IMAGE@N` into the path of an image and the number of a partition. A file of the whole name comes first, and
 * only an image that is there is split off: else a message names the path as the user typed it.
 */
export async function splitPartitionPath(files: HostFiles, path: HostPath): Promise<PartitionPath> {
  const whole = { path, partition: null }
  const bytes = pathBytes(path)
  const end = bytes.lastIndexOf(at)
  const digits = bytes.subarray(end + 1)
  const isNumber = digits.length > 0 && digits.length <= longestNumber && digits.every((byte) => isDigit(byte))
  if (end <= 0 || !isNumber || (await files.lstatOrNull(path)) !== null) return whole
  const image = typeof path === 'string' ? path.slice(0, path.lastIndexOf('@')) : bytes.subarray(0, end)
  if ((await files.lstatOrNull(image)) === null) return whole
  return { path: image, partition: Number(digits.toString('latin1')) }
}

function isDigit(byte: number): boolean {
  return byte >= zero && byte < zero + 10
}
