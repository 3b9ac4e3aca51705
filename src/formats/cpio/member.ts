import { ceilTo } from '../../bytes/align.js'
import { copyOf, equalBytes, latin1Text, utf8Bytes } from '../../bytes/fast.js'
import type { InputReader } from '../../bytes/input-reader.js'
import type { UmlcowError } from '../../errors.js'
import { type ArchiveCode, archiveError } from '../manifest/archive-error.js'
import { isDeviceNumber } from '../manifest/device.js'
import type { ManifestEntry } from '../manifest/entry.js'
import { isDevice, splitMode } from '../manifest/mode.js'
import { maxPathLength, safePath } from '../manifest/path.js'
import { nsPerSecond } from '../manifest/time.js'
import {
  alignment,
  crcMagic,
  headerSize,
  isNewcMagic,
  type NewcHeader,
  newcMagic,
  odcMagic,
  parseNewcHeader,
  trailerName,
} from './layout.js'

/** An entry, and what its header says about its names and content. The caller reads the content of a file. */
export interface CpioMember {
  /** Its `size` is the length of the content in this member: 0 for everything but files. */
  readonly entry: ManifestEntry
  readonly storedSize: number
  /** The sum of the bytes of content; null where the archive has none. */
  readonly checksum: number | null
  readonly linkCount: number
  /** All names of one file have the same key. */
  readonly linkKey: string
}

/** Reads headers, names and targets. */
export class CpioMembers {
  private readonly input: InputReader
  private readonly name: string
  private offset = 0
  /** The path of the present member, after its header. */
  private path: Uint8Array | undefined

  constructor(input: InputReader, name: string) {
    this.input = input
    this.name = name
  }

  /** Read the next member. @returns its kind where it is none: the trailer, or the end of the input without one */
  async next(): Promise<CpioMember | 'trailer' | 'end'> {
    this.offset = this.input.offset
    this.path = undefined
    const bytes = await this.input.upTo(headerSize)
    if (bytes.length === 0 && this.offset > 0) return 'end'
    const header = this.header(bytes)
    const isCrc = latin1Text(bytes, 0, crcMagic.length) === crcMagic
    const rawName = await this.text(header.namesize, headerSize + header.namesize)
    if (rawName.at(-1) !== 0) throw this.error('BAD_ARCHIVE', 'expected a NUL byte at the end of a name')
    const name = withoutNuls(rawName)
    if (equalBytes(name, utf8Bytes(trailerName))) return 'trailer'
    this.path = safePath(name, this.name, { offset: this.offset })
    return this.member(header, this.path, isCrc)
  }

  error(code: ArchiveCode, what: string, hint?: string): UmlcowError {
    return archiveError(code, this.name, what, { path: this.path, offset: this.offset }, hint)
  }

  /** Skip the padding that aligns `length` bytes. */
  async skipPadding(length: number): Promise<void> {
    const padding = ceilTo(length, alignment) - length
    if ((await this.input.skip(padding)) !== padding) {
      throw this.error('TRUNCATED_ARCHIVE', 'the archive ends inside the padding of an entry')
    }
  }

  private header(bytes: Uint8Array): NewcHeader {
    const magic = latin1Text(bytes, 0, newcMagic.length)
    if (bytes.length >= newcMagic.length && !isNewcMagic(magic)) {
      if (magic === odcMagic) throw this.error('NOT_ARCHIVE', 'expected the "newc" form of cpio, got "odc"')
      if (this.offset === 0) throw this.error('NOT_ARCHIVE', 'not a cpio archive: the magic number is missing')
      throw this.error('BAD_ARCHIVE', 'a header without the magic number')
    }
    if (bytes.length < headerSize) {
      const what = this.offset + bytes.length === 0 ? 'the input is empty' : 'the archive ends inside a header'
      throw this.error('TRUNCATED_ARCHIVE', what)
    }
    const header = parseNewcHeader(bytes)
    if (header === null) throw this.error('BAD_ARCHIVE', 'cannot read a number of a header')
    return header
  }

  /** Read a name or target, and the padding after it, which aligns `padFrom` bytes. */
  private async text(length: number, padFrom: number): Promise<Uint8Array> {
    if (length === 0 || length > maxPathLength + 1) {
      throw this.error('BAD_ARCHIVE', `a name or target of ${length} bytes`)
    }
    const padded = length + ceilTo(padFrom, alignment) - padFrom
    const bytes = await this.input.upTo(padded)
    if (bytes.length < padded) throw this.error('TRUNCATED_ARCHIVE', 'the archive ends inside a name or target')
    return bytes.subarray(0, length)
  }

  private async member(header: NewcHeader, path: Uint8Array, isCrc: boolean): Promise<CpioMember> {
    const split = splitMode(header.mode)
    if (split === null) throw this.error('BAD_ARCHIVE', `the mode 0${header.mode.toString(8)} has an unknown type`)
    const { type, mode } = split
    if (path.length === 0 && type !== 'directory') throw this.error('UNSAFE_PATH', 'an entry without a name')
    if (type !== 'file' && type !== 'symlink' && header.filesize > 0) {
      throw this.error('BAD_ARCHIVE', `content of a ${type}`)
    }
    const number = { major: header.rdevmajor, minor: header.rdevminor }
    if (isDevice(type) && !isDeviceNumber(number)) {
      throw this.error('BAD_ARCHIVE', 'a device number does not fit into 12 and 20 bits')
    }
    const entry: ManifestEntry = {
      path,
      type,
      mode,
      uid: header.uid,
      gid: header.gid,
      device: isDevice(type) ? number : null,
      linkTarget: type === 'symlink' ? await this.target(header.filesize) : null,
      hardLinkTo: null,
      size: type === 'file' ? header.filesize : 0,
      mtimeNs: BigInt(header.mtime) * nsPerSecond,
      xattrs: null,
    }
    const linkKey = `${header.devmajor}:${header.devminor}:${header.ino}`
    return {
      entry,
      storedSize: entry.size,
      checksum: isCrc && entry.size > 0 ? header.check : null,
      linkCount: type === 'directory' ? 1 : header.nlink,
      linkKey,
    }
  }

  /** Read the target of a symbolic link. The kernel's gen_init_cpio stores a NUL after it. */
  private async target(length: number): Promise<Uint8Array> {
    const target = copyOf(withoutNuls(await this.text(length, length)))
    if (target.length > 0 && target.length <= maxPathLength && !target.includes(0)) return target
    throw this.error('BAD_ARCHIVE', 'the target of a symbolic link is empty, too long or holds a NUL byte')
  }
}

/** Drop the NULs at the end. Some writers pad names with more than one, to align the content of a file. */
function withoutNuls(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return bytes.subarray(0, end)
}
