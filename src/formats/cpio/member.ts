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
import { alignment, headerSize, type NewcHeader, newcMagic, parseNewcHeader, trailerName } from './layout.js'

/** An entry with what the header says of its names and content. Of a file, the content is up to the caller. */
export interface CpioMember {
  /** `size` is what this member stores, 0 but for files. */
  readonly entry: ManifestEntry
  readonly storedSize: number
  readonly linkCount: number
  /** The same for all names of one file. */
  readonly linkKey: string
}

export class CpioMembers {
  private readonly input: InputReader
  private readonly name: string
  private offset = 0

  constructor(input: InputReader, name: string) {
    this.input = input
    this.name = name
  }

  /** The next member, null at the trailer. */
  async next(): Promise<CpioMember | null> {
    this.offset = this.input.offset
    const header = await this.header()
    const rawName = await this.text(header.namesize, headerSize + header.namesize)
    if (rawName.at(-1) !== 0) throw this.error('BAD_ARCHIVE', 'a name without an end')
    const name = rawName.subarray(0, -1)
    if (equalBytes(name, utf8Bytes(trailerName))) return null
    return this.member(header, safePath(name, this.name, { offset: this.offset }))
  }

  error(code: ArchiveCode, what: string): UmlcowError {
    return archiveError(code, this.name, what, { offset: this.offset })
  }

  /** Passes over what fills up `length` bytes to the alignment. */
  async skipPadding(length: number): Promise<void> {
    const padding = ceilTo(length, alignment) - length
    if ((await this.input.skip(padding)) !== padding) throw this.error('TRUNCATED_ARCHIVE', 'the end comes too early')
  }

  private async header(): Promise<NewcHeader> {
    const bytes = await this.input.upTo(headerSize)
    const magic = latin1Text(bytes, 0, newcMagic.length)
    if (bytes.length >= newcMagic.length && magic !== newcMagic) {
      const isOther = magic === '070707' || magic === '070702'
      if (isOther) throw this.error('ARCHIVE_FEATURE', 'of the forms of cpio only "newc" is supported')
      if (this.offset === 0) throw this.error('NOT_ARCHIVE', 'no cpio archive: the magic number is not there')
      throw this.error('BAD_ARCHIVE', 'a header without the magic number')
    }
    if (bytes.length < headerSize) throw this.error('TRUNCATED_ARCHIVE', 'the end comes without a trailer')
    const header = parseNewcHeader(bytes)
    if (header === null) throw this.error('BAD_ARCHIVE', 'a header with a number that is none')
    return header
  }

  /** A name or target. The padding behind it, read too, fills up `padFrom` bytes. */
  private async text(length: number, padFrom: number): Promise<Uint8Array> {
    if (length === 0 || length > maxPathLength + 1) {
      throw this.error('BAD_ARCHIVE', `a name or target of ${length} bytes`)
    }
    const padded = length + ceilTo(padFrom, alignment) - padFrom
    const bytes = await this.input.upTo(padded)
    if (bytes.length < padded) throw this.error('TRUNCATED_ARCHIVE', 'the end comes inside a name or target')
    return bytes.subarray(0, length)
  }

  private async member(header: NewcHeader, path: Uint8Array): Promise<CpioMember> {
    const split = splitMode(header.mode)
    if (split === null) throw this.error('BAD_ARCHIVE', `the mode 0${header.mode.toString(8)} is none`)
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
    return { entry, storedSize: entry.size, linkCount: type === 'directory' ? 1 : header.nlink, linkKey }
  }

  /** The kernel's gen_init_cpio stores a NUL after it. */
  private async target(length: number): Promise<Uint8Array> {
    const bytes = await this.text(length, length)
    const target = copyOf(bytes.at(-1) === 0 ? bytes.subarray(0, -1) : bytes)
    if (target.length > 0 && target.length <= maxPathLength && !target.includes(0)) return target
    throw this.error('BAD_ARCHIVE', 'the target of a symbolic link is empty, too long or holds a NUL byte')
  }
}
