import { archiveError } from '../manifest/archive-error.js'
import { attributesOf, type VirtfsAttributes } from './attributes.js'

// Extended attributes of one file, as QEMU's 9p server keeps them with security_model=mapped-xattr. Little-endian.
// name             bytes
// user.virtfs.uid      4
// user.virtfs.gid      4
// user.virtfs.mode     4  with the bits of the type
// user.virtfs.rdev     8  a dev_t of Linux
// Source: QEMU hw/9pfs/9p-local.c, local_set_xattr
const prefix = 'user.'
const lengths: Readonly<Record<string, number>> = {
  'user.virtfs.uid': 4,
  'user.virtfs.gid': 4,
  'user.virtfs.mode': 4,
  'user.virtfs.rdev': 8,
}

export const virtfsXattrs = Object.keys(lengths)

/** Whether an extended attribute is one of those that hold owner, mode and device. */
export function isVirtfsXattr(attribute: string): boolean {
  return Object.hasOwn(lengths, attribute)
}

/**
 * Read the extended attributes of one file.
 *
 * @param values  names that pass `isVirtfsXattr`, with their bytes
 * @throws        UmlcowError BAD_ARCHIVE for a value of another length, or one that does not fit
 */
export function parseVirtfsXattrs(values: ReadonlyMap<string, Uint8Array>, name: string): VirtfsAttributes {
  const numbers = new Map<string, number>()
  for (const [attribute, bytes] of values) {
    let value = 0
    for (const byte of bytes.toReversed()) value = value * 256 + byte
    if (bytes.length !== lengths[attribute] || value > 0xffffffff) {
      throw archiveError('BAD_ARCHIVE', name, `the value of ${attribute} does not fit`)
    }
    numbers.set(attribute.slice(prefix.length), value)
  }
  return attributesOf(numbers, name)
}
