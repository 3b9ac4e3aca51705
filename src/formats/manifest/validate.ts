import { unfit } from './archive-error.js'
import { isDeviceNumber } from './device.js'
import type { ManifestEntry, ManifestItem } from './entry.js'
import { isWithin } from './is-within.js'
import { isDevice, maxMode } from './mode.js'
import { isCanonicalPath, maxPathLength } from './path.js'
import { isTimeNs } from './time.js'

export { isWithin }

export const maxId = 0xffffffff

/** Longest name of an extended attribute. @see Linux include/uapi/linux/limits.h, XATTR_NAME_MAX */
export const maxXattrName = 255
/** Longest value of an extended attribute. @see Linux include/uapi/linux/limits.h, XATTR_SIZE_MAX */
export const maxXattrValue = 65_536

/** Find out what is wrong with an entry; null when nothing is. */
function faultOf(entry: ManifestEntry): string | null {
  const { path, type, hardLinkTo } = entry
  if (!isCanonicalPath(path)) return 'the path is not in its plain form, below the tree'
  if (path.length === 0 && type !== 'directory') return 'the top of a tree is a directory'
  if (!isWithin(entry.mode, maxMode)) return `the mode ${entry.mode} is not within 07777`
  if (!isWithin(entry.uid, maxId) || !isWithin(entry.gid, maxId)) return 'an owner does not fit into 32 bits'
  if (isDevice(type) !== (entry.device !== null)) return 'only devices have a device number, and they all do'
  if (entry.device !== null && !isDeviceNumber(entry.device))
    return 'the device number does not fit into 12 and 20 bits'
  if (!isLinkTarget(entry)) return 'only symbolic links have a target, and they all do'
  if (hardLinkTo !== null && type === 'directory') return 'a directory has no further names'
  if (hardLinkTo !== null && (hardLinkTo.length === 0 || !isCanonicalPath(hardLinkTo)))
    return 'the first name is not a path'
  if (!Number.isSafeInteger(entry.size) || entry.size < 0) return 'the size is not a whole number of bytes'
  if (entry.size > 0 && type !== 'file') return 'only files have a size'
  if (!isTimeNs(entry.mtimeNs)) return 'the modification time does not fit into 64 bits of seconds'
  return xattrFault(entry)
}

function isLinkTarget({ type, linkTarget }: ManifestEntry): boolean {
  if (type !== 'symlink' || linkTarget === null) return type !== 'symlink' && linkTarget === null
  return linkTarget.length > 0 && linkTarget.length <= maxPathLength && !linkTarget.includes(0)
}

function xattrFault({ xattrs }: ManifestEntry): string | null {
  for (const { name, value } of xattrs ?? []) {
    if (name.length === 0 || name.length > maxXattrName || name.includes(0))
      return 'the name of an extended attribute is empty, too long or holds a NUL byte'
    if (value.length > maxXattrValue) return 'an extended attribute is too long'
  }
  return null
}

/** Check the fields of an entry. @throws UmlcowError ENTRY_UNFIT when they break a rule of `ManifestEntry` */
export function checkEntry(entry: ManifestEntry): void {
  const fault = faultOf(entry)
  if (fault !== null) throw unfit(entry.path, fault)
}

/** Yield the entries of items, for formats that hold no content. The source skips the content that nothing reads. */
export async function* entriesOf(items: AsyncIterable<ManifestItem>): AsyncGenerator<ManifestEntry> {
  for await (const { entry } of items) yield entry
}
