import { ceilTo } from '../../bytes/align.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { isZero } from '../../bytes/zeros.js'
import type { UmlcowError } from '../../errors.js'
import { type ArchiveCode, archiveError } from '../manifest/archive-error.js'
import { blockSize, hasRightChecksum, TarFields, textField } from './layout.js'
import { type PaxRecords, parsePaxRecords } from './pax-records.js'

/** A header, and the pax records and long names that come before it. */
export interface TarMember {
  readonly offset: number
  readonly fields: TarFields
  /** The type of the header. '\0' becomes '0'. */
  readonly type: string
  readonly records: ReadonlyMap<string, Uint8Array>
  readonly longName: Uint8Array | null
  readonly longLink: Uint8Array | null
}

/** The most bytes of records and long names before a member. 16 attributes of the longest kind take 1 MiB. */
const maxExtension = 4 * 1024 * 1024

/** The keywords that the reader keeps of a global header. Without this limit, global headers could fill the memory. */
const globalKeywords = new Set(['path', 'linkpath', 'uid', 'gid', 'size', 'mtime'])

const noRecords: PaxRecords = new Map()

/** 'X' is how Solaris writes 'x'. */
const extensionTypes = 'xXgLK'

/** Reads headers, and the pax and GNU extensions between them. */
export class MemberReader {
  /** Pax headers have come. The size of a hard link then counts, as it does not in older forms. */
  hasPax = false
  /** The end came without an end mark. */
  isEndMissing = false
  private readonly globals: PaxRecords = new Map()
  private readonly input: InputReader
  private readonly name: string
  private readonly onUnreadGlobal: (keyword: string) => void

  /** @param onUnreadGlobal  called with the keywords of global headers that are for nothing here */
  constructor(input: InputReader, name: string, onUnreadGlobal: (keyword: string) => void) {
    this.input = input
    this.name = name
    this.onUnreadGlobal = onUnreadGlobal
  }

  /** Read the next member; null at the end of the archive. The caller reads the content. */
  async next(): Promise<TarMember | null> {
    const extension = {
      records: null as PaxRecords | null,
      longName: null as Uint8Array | null,
      longLink: null as Uint8Array | null,
    }
    let budget = maxExtension
    let isPending = false
    for (;;) {
      const offset = this.input.offset
      const block = await this.block(isPending)
      if (block === null) return null
      const fields = new TarFields(block)
      const type = fields.type === 0 ? '0' : String.fromCharCode(fields.type)
      if (!extensionTypes.includes(type)) {
        const { longName, longLink } = extension
        return { offset, fields, type, records: this.withGlobals(extension.records), longName, longLink }
      }
      const size = this.sizeOf(fields, offset)
      budget -= size + blockSize
      if (budget < 0) throw this.error('BAD_ARCHIVE', `more than ${maxExtension} bytes of extensions`, offset)
      const body = await this.body(size)
      if (type === 'L') extension.longName = textField(body)
      else if (type === 'K') extension.longLink = textField(body)
      else if (type === 'g') this.addRecords(body, null, offset)
      else {
        extension.records ??= new Map()
        this.addRecords(body, extension.records, offset)
      }
      // Nothing need follow a global header: git makes such an archive of a commit without files.
      if (type !== 'g') isPending = true
    }
  }

  /** Whether the next block looks like the start of a member or the end of the archive, and not like content. */
  async isAtHeader(): Promise<boolean> {
    const block = await this.input.peek(blockSize)
    return block.length === 0 || (block.length === blockSize && (isZero(block) || hasRightChecksum(block)))
  }

  private sizeOf(fields: TarFields, offset: number): number {
    const size = fields.number('size')
    if (Number.isSafeInteger(size) && size >= 0) return size
    throw this.error('BAD_ARCHIVE', 'cannot read the size', offset)
  }

  private error(code: ArchiveCode, what: string, offset: number): UmlcowError {
    return archiveError(code, this.name, what, { offset })
  }

  private withGlobals(own: PaxRecords | null): PaxRecords {
    if (own === null && this.globals.size === 0) return noRecords
    const records = new Map([...this.globals, ...(own ?? [])])
    // An empty value cancels an earlier one.
    for (const [keyword, value] of records)
      if (value.length === 0 && globalKeywords.has(keyword)) records.delete(keyword)
    return records
  }

  /** @param own  the records of the next member; null for a global header */
  private addRecords(body: Uint8Array, own: PaxRecords | null, offset: number): void {
    const records = parsePaxRecords(body)
    if (records === null) throw this.error('BAD_ARCHIVE', 'cannot read a record of a pax header', offset)
    this.hasPax = true
    if (own === null) this.refuseVolume(records, offset)
    for (const [keyword, value] of records) {
      if (own !== null) own.set(keyword, value)
      else if (globalKeywords.has(keyword)) this.globals.set(keyword, value)
      else this.onUnreadGlobal(keyword)
    }
  }

  /** GNU tar says in a global header that an archive is a later part of another one. */
  private refuseVolume(records: PaxRecords, offset: number): void {
    if (!records.has('GNU.volume.offset')) return
    const path = records.get('GNU.volume.filename')
    throw archiveError('ARCHIVE_FEATURE', this.name, 'continues a file of another volume', { path, offset })
  }

  private async body(size: number): Promise<Uint8Array> {
    const padded = ceilTo(size, blockSize)
    const body = await this.input.upTo(padded)
    if (body.length === padded) return body.subarray(0, size)
    throw this.error('TRUNCATED_ARCHIVE', 'the archive ends inside a header of extensions', this.input.offset)
  }

  /**
   * Read a header and check its sum. Null for the end mark, which is two blocks of zeros, or one and the end of the
   * input, and for a missing end mark.
   *
   * @param isPending  an extension has come, and needs its member
   */
  private block(isPending: boolean): Uint8Array | null | Promise<Uint8Array | null> {
    const offset = this.input.offset
    const block = this.input.now(blockSize)
    if (block === null || isZero(block)) return this.blockOrEnd(block, offset, isPending)
    return this.checked(block, offset)
  }

  /** @param given  null when the block is not at hand */
  private async blockOrEnd(given: Uint8Array | null, offset: number, isPending: boolean): Promise<Uint8Array | null> {
    const block = given ?? (await this.input.upTo(blockSize))
    if (block.length < blockSize) {
      this.isEndMissing = block.length === 0 && offset > 0 && !isPending
      if (this.isEndMissing) return null
      const what = offset + block.length === 0 ? 'the input is empty' : 'the archive ends inside a member'
      throw this.error('TRUNCATED_ARCHIVE', what, this.input.offset)
    }
    if (!isZero(block)) return this.checked(block, offset)
    if (isPending) throw this.error('BAD_ARCHIVE', 'the archive ends after a header of extensions', offset)
    const second = await this.input.upTo(blockSize)
    if (isZero(second)) return null
    throw this.error('BAD_ARCHIVE', 'a block of zeros stands between members', offset)
  }

  private checked(block: Uint8Array, offset: number): Uint8Array {
    if (hasRightChecksum(block)) return block
    const code = offset === 0 ? 'NOT_ARCHIVE' : 'BAD_ARCHIVE'
    throw this.error(code, `${offset === 0 ? 'not a tar archive: ' : ''}the checksum of a header is wrong`, offset)
  }
}
