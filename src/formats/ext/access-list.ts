import { viewOf } from '../../bytes/struct.js'
import { readHalf, readWord } from '../../bytes/words.js'

// A POSIX ACL, little-endian.  Source: Linux fs/ext4/acl.h, include/uapi/linux/posix_acl_xattr.h
// On the disk: 0x0 4 version 1, then entries of 0x0 2 tag, 0x2 2 permissions, and for named users and groups 0x4 4 id.
// For programs: 0x0 4 version 2, then entries of 8 bytes that all have an id: 2^32 - 1 where it means nothing.
const diskVersion = 1
const programVersion = 2
const noId = 0xffffffff
/** Named users and named groups. */
const namedTags: readonly number[] = [0x02, 0x08]
const groupTag = 0x04
const tags: readonly number[] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20]

/** Convert an ACL from the form on the disk to the form that the kernel gives to programs; null when it is none. */
export function toProgramAccessList(stored: Uint8Array): Uint8Array | null {
  const entries = stored.length >= 4 && readWord(stored, 0) === diskVersion ? parseEntries(stored) : null
  if (entries === null) return null
  const list = new Uint8Array(4 + entries.length * 8)
  const view = viewOf(list)
  view.setUint32(0, programVersion, true)
  for (const [i, { tag, permissions, id }] of entries.entries()) {
    view.setUint16(4 + i * 8, tag, true)
    view.setUint16(6 + i * 8, permissions, true)
    view.setUint32(8 + i * 8, id, true)
  }
  return list
}

/** True when an ACL in the form for programs says no more than the mode does: owner, group and others. */
export function isMinimalAccessList(list: Uint8Array): boolean {
  return list.length <= 4 + 3 * 8
}

/**
 * Get the mode that a file has without its ACL, which is in the form for programs. With an ACL, the bits of the group are
 * the mask of the ACL, and an entry has those of the group. The new bits allow no more than both.
 */
export function modeWithoutAccessList(mode: number, list: Uint8Array): number {
  for (let at = 4; at + 8 <= list.length; at += 8) {
    if (readHalf(list, at) !== groupTag) continue
    return mode & (0o7707 | ((readHalf(list, at + 2) & 7) << 3))
  }
  return mode
}

function parseEntries(stored: Uint8Array) {
  const entries: { tag: number; permissions: number; id: number }[] = []
  let at = 4
  while (at < stored.length) {
    const tag = at + 4 <= stored.length ? readHalf(stored, at) : 0
    const isNamed = namedTags.includes(tag)
    const size = isNamed ? 8 : 4
    if (!tags.includes(tag) || at + size > stored.length) return null
    entries.push({ tag, permissions: readHalf(stored, at + 2), id: isNamed ? readWord(stored, at + 4) : noId })
    at += size
  }
  return entries
}
