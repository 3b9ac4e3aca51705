import { ceilTo } from '../../bytes/align.js'
import { allocate, concatBytes, latin1Bytes, latin1Text, utf8Bytes, writeZeros } from '../../bytes/fast.js'
import type { Gatherer } from '../../bytes/gather.js'
import type { EntryType, ManifestEntry } from '../manifest/entry.js'
import { splitTime } from '../manifest/time.js'
import { aclRecord } from './acl-text.js'
import { blockSize, posixMagic, tarHeader } from './layout.js'
import { paxTime, serializePaxRecord } from './pax-records.js'
import { sparseRecord } from './sparse/layout.js'
import { xattrKeyword } from './xattr-keyword.js'

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
const digitZero = 0x30

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
const dot = utf8Bytes('.')
const extensionName = utf8Bytes('PaxHeaders/x')

const sparseDirectory = utf8Bytes('GNUSparseFile.0/')

type Records = [keyword: string, value: Uint8Array][]

/** Records are UTF-8 unless they say otherwise, and bsdtar then converts names to its locale, if it can. */
const binaryNames: Records[number] = ['hdrcharset', utf8Bytes('BINARY')]

/**
 * Write the header of an entry, after a pax header where the entry needs one.
 *
 * @param sparseSize  for a file in the sparse form, the bytes of its map and data; null for any other
 */
export function writeHeader(out: Gatherer, entry: ManifestEntry, sparseSize: number | null = null): void {
  const name = sparseSize === null ? nameOf(entry) : sparseName(entry.path)
  const split = splitName(name)
  const link = entry.hardLinkTo ?? entry.linkTarget ?? nothing
  // The size of what is stored: a reader that does not know the sparse form must find the next header.
  const size = sparseSize ?? (entry.hardLinkTo === null ? entry.size : 0)
  const { seconds, nanoseconds } = splitTime(entry.mtimeNs)
  const mtime = Number(seconds)
  const fitsTime = nanoseconds === 0 && mtime >= 0 && mtime <= maxOctalLong

  const records = sparseSize === null ? pathRecords(split === null ? name : null, link) : sparseRecords(entry)
  if (entry.uid > maxOctalId) records.push(['uid', latin1Bytes(String(entry.uid))])
  if (entry.gid > maxOctalId) records.push(['gid', latin1Bytes(String(entry.gid))])
  if (size > maxOctalLong) records.push(['size', latin1Bytes(String(size))])
  if (!fitsTime) records.push(['mtime', latin1Bytes(paxTime(entry.mtimeNs))])
  for (const xattr of entry.xattrs ?? []) {
    const name = latin1Text(xattr.name)
    records.push(aclRecord(name, xattr.value) ?? [xattrKeyword(name), xattr.value])
  }
  if (records.length > 0) writeExtension(out, records)

  writeBlock(out, {
    // A field takes only the bytes that fit.
    name: split?.name ?? name,
    prefix: split?.prefix ?? nothing,
    link,
    type: entry.hardLinkTo !== null ? '1' : typeFlags[entry.type]!,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size,
    mtime,
    major: entry.device?.major ?? 0,
    minor: entry.device?.minor ?? 0,
  })
}

/** Make the records of paths that do not fit into a header. @param longName  null when the name fits */
function pathRecords(longName: Uint8Array | null, link: Uint8Array): Records {
  const paths: Records = []
  if (longName !== null) paths.push(['path', longName])
  if (link.length > tarHeader.lengthOf('link')) paths.push(['linkpath', link])
  if (paths.some(([, path]) => path.some((byte) => byte >= 0x80))) paths.unshift(binaryNames)
  return paths
}

/** Make the records of a sparse file of version 1.0. */
function sparseRecords({ path, size }: ManifestEntry): Records {
  const records: Records = [
    [sparseRecord.major, latin1Bytes('1')],
    [sparseRecord.minor, latin1Bytes('0')],
    [sparseRecord.name, path],
    [sparseRecord.realSize, latin1Bytes(String(size))],
  ]
  return path.some((byte) => byte >= 0x80) ? [binaryNames, ...records] : records
}

/** Make the name that programs see which do not know the sparse form. The place in the tree stays, as in GNU tar. */
function sparseName(path: Uint8Array): Uint8Array {
  const at = path.lastIndexOf(slash) + 1
  return concatBytes([path.subarray(0, at), sparseDirectory, path.subarray(at)])
}

/** The name of an entry in an archive. The name of a directory ends in a slash. */
function nameOf({ path, type }: ManifestEntry): Uint8Array {
  if (type !== 'directory') return path
  return concatBytes([path.length === 0 ? dot : path, Uint8Array.of(slash)])
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

function writeExtension(out: Gatherer, records: Records): void {
  const lines = records.map(([keyword, value]) => serializePaxRecord(keyword, value))
  const size = lines.reduce((sum, line) => sum + line.length, 0)
  writeBlock(out, {
    name: extensionName,
    prefix: nothing,
    link: nothing,
    type: 'x',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: 0,
    major: 0,
    minor: 0,
  })
  for (const line of lines) out.add(line)
  out.addZeros(ceilTo(size, blockSize) - size)
}

const places = {
  name: placeOf('name'),
  mode: placeOf('mode'),
  uid: placeOf('uid'),
  gid: placeOf('gid'),
  size: placeOf('size'),
  mtime: placeOf('mtime'),
  checksum: placeOf('checksum'),
  type: placeOf('type'),
  link: placeOf('link'),
  magic: placeOf('magic'),
  major: placeOf('major'),
  minor: placeOf('minor'),
  prefix: placeOf('prefix'),
}

type Place = readonly [start: number, length: number]

function placeOf(name: Parameters<typeof tarHeader.offsetOf>[0]): Place {
  return [tarHeader.offsetOf(name), tarHeader.lengthOf(name)]
}

/**
 * Write a header into the memory of the output. An archive has a header or two for each of its files, so this makes no
 * arrays, and adds up the checksum as it goes.
 */
function writeBlock(out: Gatherer, fields: HeaderFields): void {
  const at = out.reserve(blockSize)
  const block = out.memory
  writeZeros(block, at, at + blockSize)
  let sum = putBytes(block, at, places.name, fields.name)
  sum += putNumber(block, at, places.mode, fields.mode)
  sum += putNumber(block, at, places.uid, fields.uid)
  sum += putNumber(block, at, places.gid, fields.gid)
  sum += putNumber(block, at, places.size, fields.size)
  sum += putNumber(block, at, places.mtime, fields.mtime)
  sum += putBytes(block, at, places.link, fields.link)
  sum += putBytes(block, at, places.magic, posixMagic)
  sum += putNumber(block, at, places.major, fields.major)
  sum += putNumber(block, at, places.minor, fields.minor)
  sum += putBytes(block, at, places.prefix, fields.prefix)
  block[at + places.type[0]] = fields.type.charCodeAt(0)
  sum += fields.type.charCodeAt(0)
  // The field of the checksum counts as blanks. All tools write it as six digits, a NUL and a blank.
  const [start, length] = places.checksum
  putNumber(block, at, [start, length - 1], sum + length * blank)
  block[at + start + length - 1] = blank
}

const blank = 0x20

/** Write the bytes that fit into a field. @returns their sum */
function putBytes(block: Uint8Array, at: number, [start, length]: Place, bytes: Uint8Array): number {
  const count = Math.min(length, bytes.length)
  let sum = 0
  for (let i = 0; i < count; i++) {
    const byte = bytes[i]!
    block[at + start + i] = byte
    sum += byte
  }
  return sum
}

/** Write octal digits before a NUL. The nearest number that fits replaces any other. @returns the sum of the bytes */
function putNumber(block: Uint8Array, at: number, [start, length]: Place, value: number): number {
  let rest = Math.min(Math.max(value, 0), 8 ** (length - 1) - 1)
  let sum = 0
  for (let i = at + start + length - 2; i >= at + start; i--) {
    const higher = Math.floor(rest / 8)
    const byte = digitZero + rest - higher * 8
    block[i] = byte
    sum += byte
    rest = higher
  }
  return sum
}
