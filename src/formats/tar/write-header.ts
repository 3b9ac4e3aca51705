import { ceilTo } from '../../bytes/align.js'
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

const nothing = Buffer.alloc(0)
const extensionFields = { prefix: nothing, link: nothing, mode: 0o644, uid: 0, gid: 0, mtime: 0, major: 0, minor: 0 }

/** Header of an entry, after a pax header where one is needed. */
export function serializeMember(entry: ManifestEntry): Buffer {
  const name = nameOf(entry)
  const split = splitName(name)
  const link = entry.hardLinkTo ?? entry.linkTarget ?? nothing
  const size = entry.hardLinkTo === null ? entry.size : 0
  const { seconds, nanoseconds } = splitTime(entry.mtimeNs)
  const fitsTime = nanoseconds === 0 && seconds >= 0n && seconds <= BigInt(maxOctalLong)

  const paths: [string, Buffer][] = []
  const records: [string, Buffer][] = []
  if (split === null) paths.push(['path', name])
  if (link.length > tarHeader.lengthOf('link')) paths.push(['linkpath', link])
  // Records are UTF-8 unless they say otherwise, and bsdtar then turns names into those of its locale, if it can.
  if (paths.some(([, path]) => path.some((byte) => byte >= 0x80))) records.push(['hdrcharset', Buffer.from('BINARY')])
  records.push(...paths)
  if (entry.uid > maxOctalId) records.push(['uid', Buffer.from(String(entry.uid))])
  if (entry.gid > maxOctalId) records.push(['gid', Buffer.from(String(entry.gid))])
  if (size > maxOctalLong) records.push(['size', Buffer.from(String(size))])
  if (!fitsTime) records.push(['mtime', Buffer.from(paxTime(entry.mtimeNs))])
  for (const xattr of entry.xattrs ?? []) records.push([`SCHILY.xattr.${xattr.name.toString('latin1')}`, xattr.value])

  const header = serializeHeader({
    // A field takes as much as it holds.
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
  return records.length === 0 ? header : Buffer.concat([serializeExtension(records), header])
}

/** Directories end in a slash. */
function nameOf({ path, type }: ManifestEntry): Buffer {
  if (type !== 'directory') return path
  return Buffer.concat([path.length === 0 ? Buffer.from('.') : path, Buffer.of(slash)])
}

/** Name and prefix for the fields of a header, null when they do not fit. */
function splitName(path: Buffer): { name: Buffer; prefix: Buffer } | null {
  const nameLength = tarHeader.lengthOf('name')
  if (path.length <= nameLength) return { name: path, prefix: nothing }
  // The leftmost slash that leaves a name which fits; one at the end belongs to the name.
  const at = path.indexOf(slash, path.length - nameLength - 1)
  if (at < 1 || at === path.length - 1 || at > tarHeader.lengthOf('prefix')) return null
  return { name: path.subarray(at + 1), prefix: path.subarray(0, at) }
}

function serializeExtension(records: readonly [string, Buffer][]): Buffer {
  const body = Buffer.concat(records.map(([keyword, value]) => serializePaxRecord(keyword, value)))
  const header = serializeHeader({
    ...extensionFields,
    name: Buffer.from('PaxHeaders/x'),
    type: 'x',
    size: body.length,
  })
  return Buffer.concat([header, body, Buffer.alloc(ceilTo(body.length, blockSize) - body.length)])
}

function serializeHeader(fields: HeaderFields): Buffer {
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
      type: Buffer.from(fields.type, 'latin1'),
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
  // Six digits, a NUL and a blank, as all tools write it.
  const checksum = `${checksumOf(block).toString(8).padStart(6, '0')}\0 `
  block.set(Buffer.from(checksum, 'latin1'), tarHeader.offsetOf('checksum'))
  return Buffer.from(block.buffer, block.byteOffset, block.byteLength)
}
