import { parseDigits } from '../../bytes/decimal.js'
import { escapeText } from '../../bytes/escape.js'
import { concatBytes, copyOf, latin1Bytes } from '../../bytes/fast.js'
import type { UmlcowError } from '../../errors.js'
import { type ArchiveCode, archiveError } from '../manifest/archive-error.js'
import { isDeviceNumber } from '../manifest/device.js'
import type { DeviceNumber, EntryType, ExtendedAttribute, ManifestEntry } from '../manifest/entry.js'
import { isDevice, maxMode } from '../manifest/mode.js'
import { maxPathLength, safePath } from '../manifest/path.js'
import { isTimeNs, nsPerSecond } from '../manifest/time.js'
import { isWithin, maxId, maxXattrName, maxXattrValue } from '../manifest/validate.js'
import type { FirstName } from './first-names.js'
import type { TarMember } from './member.js'
import { parsePaxTime } from './pax-records.js'
import { type SparseHeader, sparseHeaderOf } from './sparse/header.js'
import { xattrName } from './xattr-keyword.js'

const typesByFlag: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  // A directory of an incremental backup. Its content is the list of its names.
  D: 'directory',
}

/** Types that umlcow refuses, by what they are. */
const refusedTypes: Readonly<Record<string, string>> = {
  M: 'continues a file of another volume',
  N: 'holds long names in the form of old versions of GNU tar, which no longer read it either',
}

const slash = 0x2f

/** The values of a member, each from its best source: pax records, then GNU long names, then the header. */
export class EntryFields {
  private readonly member: TarMember
  private readonly name: string
  private foundPath: Uint8Array | null = null
  /** Undefined before the first look. */
  private foundSparse: SparseHeader | null | undefined

  constructor(member: TarMember, name: string) {
    this.member = member
    this.name = name
  }

  error(code: ArchiveCode, what: string, hint?: string): UmlcowError {
    const { offset } = this.member
    return archiveError(code, this.name, what, { path: this.rawPath(), offset }, hint)
  }

  entry(): ManifestEntry {
    const type = this.type()
    const device = isDevice(type) ? this.device() : null
    const linkTarget = type === 'symlink' ? this.linkTarget() : null
    const size = type === 'file' ? (this.sparse()?.realSize ?? this.size()) : 0
    const path = this.path()
    if (path.length === 0 && type !== 'directory') throw this.error('UNSAFE_PATH', 'an entry without a name')
    return this.entryOf(path, { type, device, linkTarget, size }, null)
  }

  /** What the header says of the holes of a file; null when it is not stored in a sparse form. */
  sparse(): SparseHeader | null {
    this.foundSparse ??= sparseHeaderOf(this.member, (...what) => this.error(...what))
    return this.foundSparse
  }

  /** What may be the bytes that are stored for a sparse file. The record counts, but old writers got it wrong. */
  sparseSizes(): number[] {
    return [this.size(), this.member.fields.number('size')]
  }

  /** @param first  what the link takes from the first name of the file */
  hardLink(first: FirstName): ManifestEntry {
    const path = this.path()
    if (path.length === 0) throw this.error('UNSAFE_PATH', 'a hard link without a name')
    return this.entryOf(path, first, first.path)
  }

  /** Each field by its name: in Node 20, a spread of an object takes ten times as long. */
  private entryOf(path: Uint8Array, own: Omit<FirstName, 'path'>, hardLinkTo: Uint8Array | null): ManifestEntry {
    const { type, device, linkTarget, size } = own
    return {
      path,
      type,
      mode: this.mode(),
      uid: this.id('uid'),
      gid: this.id('gid'),
      device,
      linkTarget,
      hardLinkTo,
      size,
      mtimeNs: this.mtime(),
      xattrs: this.xattrs(),
    }
  }

  /** Get the bytes that follow the header. Those of a directory are not its own: the caller skips them. */
  storedSize(type: EntryType): number {
    // Some writers give other types a size, but never content.
    const hasContent = type === 'file' || (type === 'directory' && this.member.type !== '5')
    return hasContent ? this.size() : 0
  }

  private path(): Uint8Array {
    return safePath(this.rawPath(), this.name, this.member)
  }

  /** The form of the header lets a hard link have content. */
  mayLinkHaveContent(): boolean {
    return this.member.fields.isPosix
  }

  linkPath(): Uint8Array {
    return safePath(this.rawLink(), this.name, this.member)
  }

  size(): number {
    return this.number('size', Number.MAX_SAFE_INTEGER)
  }

  private type(): EntryType {
    const { type } = this.member
    if (this.sparse() !== null) return 'file'
    const found = typesByFlag[type]
    if (found === undefined) {
      const what = refusedTypes[type] ?? `has the type "${escapeText(type)}", which umlcow does not know`
      throw this.error('ARCHIVE_FEATURE', what)
    }
    // The oldest archives have no type for directories: a directory is a file with a slash at the end of its name.
    return found === 'file' && this.rawPath().at(-1) === slash ? 'directory' : found
  }

  private rawPath(): Uint8Array {
    this.foundPath ??= this.findPath()
    return this.foundPath
  }

  private findPath(): Uint8Array {
    const { records, longName, fields } = this.member
    // The sparse form of pax stores the path here, and a made-up one in its place.
    const long = records.get('GNU.sparse.name') ?? records.get('path') ?? longName
    if (long !== null) return long
    const prefix = fields.isPosix ? fields.text('prefix') : null
    const path = fields.text('name')
    return prefix === null || prefix.length === 0 ? path : concatBytes([prefix, Uint8Array.of(slash), path])
  }

  private rawLink(): Uint8Array {
    const { records, longLink, fields } = this.member
    return records.get('linkpath') ?? longLink ?? fields.text('link')
  }

  private linkTarget(): Uint8Array {
    const target = this.rawLink()
    if (target.length > 0 && target.length <= maxPathLength && !target.includes(0)) return copyOf(target)
    throw this.error('BAD_ARCHIVE', 'the target of a symbolic link is empty, too long or holds a NUL byte')
  }

  private number(keyword: 'uid' | 'gid' | 'size', limit: number): number {
    const record = this.member.records.get(keyword)
    const value = record === undefined ? this.member.fields.number(keyword) : parseDigits(record, 10)
    if (value !== null && isWithin(value, limit)) return value
    throw this.error('BAD_ARCHIVE', `expected a ${keyword} of at most ${limit}`)
  }

  private id(keyword: 'uid' | 'gid'): number {
    return this.number(keyword, maxId)
  }

  /** Some writers put the bits of the type into the field, too. */
  private mode(): number {
    const full = this.member.fields.number('mode')
    if (isWithin(full, 0o177777)) return full & maxMode
    throw this.error('BAD_ARCHIVE', 'expected a mode of at most 0177777')
  }

  private mtime(): bigint {
    const record = this.member.records.get('mtime')
    const seconds = record === undefined ? this.member.fields.integer('mtime') : null
    const time = record === undefined ? (seconds === null ? null : seconds * nsPerSecond) : parsePaxTime(record)
    if (time !== null && isTimeNs(time)) return time
    throw this.error('BAD_ARCHIVE', 'cannot read the modification time')
  }

  private device(): DeviceNumber {
    const { fields } = this.member
    const device = { major: fields.number('major'), minor: fields.number('minor') }
    if (isDeviceNumber(device)) return device
    throw this.error('BAD_ARCHIVE', 'a device number does not fit into 12 and 20 bits')
  }

  /** Null when there are none: an archive does not say whether its writer looked for any. */
  private xattrs(): ExtendedAttribute[] | null {
    if (this.member.records.size === 0) return null
    /** By name: two keywords may stand for one. */
    const found = new Map<string, ExtendedAttribute>()
    for (const [keyword, value] of this.member.records) {
      const text = xattrName(keyword)
      if (text === null) continue
      const name = latin1Bytes(text)
      if (name.length === 0 || name.length > maxXattrName || name.includes(0) || value.length > maxXattrValue) {
        throw this.error('BAD_ARCHIVE', 'an extended attribute has a bad name or is too long')
      }
      found.set(text, { name, value })
    }
    return found.size === 0 ? null : [...found.values()]
  }
}
