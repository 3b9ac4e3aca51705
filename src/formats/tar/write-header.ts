import { ceilTo } from '../../bytes/align.js'
import { allocate, concatBytes, latin1Bytes, latin1Text, utf8Bytes } from '../../bytes/fast.js'
import type { EntryType, ManifestEntry } from '../manifest/entry.js'
import { splitTime } from '../manifest/time.js'
import { blockSize, checksumOf, octalField, posixMagic, tarHeader } from './layout.js'
import { paxTime, serializePaxRecord } from './pax-records.js'

const typeFlags: Readonly<Partial<Record<EntryType, string>>> = {
  file: '0',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
}

const maxOctalId = 8 ** 7 - 1
const maxOctalLong = 8 ** 11 - 1
const slash = 0x2f

interface HeaderFields {
  readonly name: Uint8Array
  readonly prefix: Uint8Array
  readonly link: Uint8Array
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly mtime: number
  readonly major: number
  readonly minor: number
}

const nothing = allocate(0)
const extensionFields = { prefix: nothing, link: nothing, mode: 0o644, uid: 0, gid: 0, mtime: 0, major: 0, minor: 0 }

/** Write the header of an entry, after a pax header where the entry needs one. */
export function serializeMember(entry: ManifestEntry): Uint8Array {
  const name = nameOf(entry)
  const split = splitName(name)
  const link = entry.hardLinkTo ?? entry.linkTarget ?? nothing
  const size = entry.hardLinkTo === null ? entry.size : 0
  const { seconds, nanoseconds } = splitTime(entry.mtimeNs)
  const fitsTime = nanoseconds === 0 && seconds >= 0n && seconds <= BigInt(maxOctalLong)

  const paths: [string, Uint8Array][] = []
  const records: [string, Uint8Array][] = []
  if (split === null) paths.push(['path', name])
  if (link.length > tarHeader.lengthOf('link')) paths.push(['linkpath', link])
  // Records are UTF-8 unless they say otherwise, and bsdtar then converts names to its locale, if it can.
  if (paths.some(([, path]) => path.some((byte) => byte >= 0x80))) records.push(['hdrcharset', utf8Bytes('BINARY')])
  records.push(...paths)
  if (entry.uid > maxOctalId) records.push(['uid', utf8Bytes(String(entry.uid))])
  if (entry.gid > maxOctalId) records.push(['gid', utf8Bytes(String(entry.gid))])
  if (size > maxOctalLong) records.push(['size', utf8Bytes(String(size))])
  if (!fitsTime) records.push(['mtime', utf8Bytes(paxTime(entry.mtimeNs))])
  for (const xattr of entry.xattrs ?? []) records.push([`SCHILY.xattr.${latin1Text(xattr.name)}`, xattr.value])

  const header = serializeHeader({
    // A field takes only the bytes that fit.
    name: split?.name ?? name,
    prefix: split?.prefix ?? nothing,
    link,
    type: entry.hardLinkTo !== null ? '1' : typeFlags[entry.type]!,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size,
    mtime: Math.min(Number(seconds), maxOctalLong),
    major: entry.device?.major ?? 0,
    minor: entry.device?.minor ?? 0,
  })
  return records.length === 0 ? header : concatBytes([serializeExtension(records), header])
}

/** The name of an entry in an archive. The name of a directory ends in a slash. */
function nameOf({ path, type }: ManifestEntry): Uint8Array {
  if (type !== 'directory') return path
  return concatBytes([path.length === 0 ? utf8Bytes('.') : path, Uint8Array.of(slash)])
}

/** Split a path into the name and prefix of a header; null when they do not fit. */
function splitName(path: Uint8Array): { name: Uint8Array; prefix: Uint8Array } | null {
  const nameLength = tarHeader.lengthOf('name')
  if (path.length <= nameLength) return { name: path, prefix: nothing }
  // Split at the leftmost slash that leaves a name that fits. A slash at the end belongs to the name.
  const at = path.indexOf(slash, path.length - nameLength - 1)
  if (at < 1 || at === path.length - 1 || at > tarHeader.lengthOf('prefix')) return null
  return { name: path.subarray(at + 1), prefix: path.subarray(0, at) }
}

function serializeExtension(records: readonly [string, Uint8Array][]): Uint8Array {
  const body = concatBytes(records.map(([keyword, value]) => serializePaxRecord(keyword, value)))
  const header = serializeHeader({
    ...extensionFields,
    name: utf8Bytes('PaxHeaders/x'),
    type: 'x',
    size: body.length,
  })
  return concatBytes([header, body, allocate(ceilTo(body.length, blockSize) - body.length)])
}

function serializeHeader(fields: HeaderFields): Uint8Array {
  const octal = (name: 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'major' | 'minor') =>
    octalField(fields[name], tarHeader.lengthOf(name))
  const block = tarHeader.serialize(
    {
      name: fields.name,
      mode: octal('mode'),
      uid: octal('uid'),
      gid: octal('gid'),
      size: octal('size'),
      mtime: octal('mtime'),
      checksum: nothing,
      type: latin1Bytes(fields.type),
      link: fields.link,
      magic: posixMagic,
      userName: nothing,
      groupName: nothing,
      major: octal('major'),
      minor: octal('minor'),
      prefix: fields.prefix,
      padding: nothing,
    },
    false,
  )
  // All tools write the checksum as six digits, a NUL and a blank.
  const checksum = `${checksumOf(block).toString(8).padStart(6, '0')}\0 `
  block.set(latin1Bytes(checksum), tarHeader.offsetOf('checksum'))
  return block
}
