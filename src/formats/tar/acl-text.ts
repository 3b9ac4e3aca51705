import { latin1Bytes } from '../../bytes/fast.js'
import { readHalf, readWord } from '../../bytes/words.js'

// An ACL as programs get it from Linux, little-endian: 0x0 4 version 2, then entries of 0x0 2 tag, 0x2 2 permissions,
// 0x4 4 id.  Source: Linux include/uapi/linux/posix_acl_xattr.h
const version = 2
const entryLength = 8
const kinds: Readonly<Record<number, string>> = {
  1: 'user:',
  2: 'user:',
  4: 'group:',
  8: 'group:',
  16: 'mask:',
  32: 'other:',
}
const namedTags: readonly number[] = [0x02, 0x08]

/** The record of an ACL, by the name of the extended attribute.  Source: star(5), "SCHILY.acl.access" */
const keywords: Readonly<Record<string, string>> = {
  'system.posix_acl_access': 'SCHILY.acl.access',
  'system.posix_acl_default': 'SCHILY.acl.default',
}

/**
 * Write an ACL as the record that tar programs read: `user::rw-,user:1000:r--,group::r--,mask::r--,other::---`. Owners
 * are numbers, as the names of an image mean nothing elsewhere.
 *
 * @returns  null when the attribute is no ACL
 */
export function aclRecord(name: string, value: Uint8Array): [keyword: string, text: Uint8Array] | null {
  const keyword = Object.hasOwn(keywords, name) ? keywords[name] : undefined
  if (keyword === undefined || value.length < 4 + entryLength || (value.length - 4) % entryLength !== 0) return null
  if (readWord(value, 0) !== version) return null
  const entries: string[] = []
  for (let at = 4; at < value.length; at += entryLength) {
    const tag = readHalf(value, at)
    const kind = kinds[tag]
    if (kind === undefined) return null
    const id = namedTags.includes(tag) ? readWord(value, at + 4) : ''
    entries.push(`${kind}${id}:${permissionText(readHalf(value, at + 2))}`)
  }
  return [keyword, latin1Bytes(entries.join(','))]
}

function permissionText(bits: number): string {
  return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${bits & 1 ? 'x' : '-'}`
}
