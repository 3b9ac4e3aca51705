import { ceilTo } from '../../bytes/align.js'
import type { InputReader } from '../../bytes/input-reader.js'
import { isZero } from '../../bytes/zeros.js'
import type { UmlcowError } from '../../errors.js'
import { type ArchiveCode, archiveError } from '../manifest/archive-error.js'
import { blockSize, fieldsOf, hasRightChecksum, numberField, type TarFields, textField } from './layout.js'
import { type PaxRecords, parsePaxRecords } from './pax-records.js'

/** A header, and the pax records and long names that come before it. */
export interface TarMember {
  readonly offset: number
  readonly fields: TarFields
  /** The type of the header. '\0' becomes '0'. */
  readonly type: string
  readonly records: PaxRecords
  readonly longName: Uint8Array | null
  readonly longLink: Uint8Array | null
}

/** The most bytes of records and long names before a member. 16 attributes of the longest kind take 1 MiB. */
const maxExtension = 4 * 1024 * 1024

/** The keywords that the reader keeps of a global header. Without this limit, global headers could fill the memory. */
const globalKeywords = new Set(['path', 'linkpath', 'uid', 'gid', 'size', 'mtime'])

/** Reads headers, and the pax and GNU extensions between them. */
export class MemberReader {
  private readonly globals: PaxRecords = new Map()
  private readonly input: InputReader
  private readonly name: string

  constructor(input: InputReader, name: string) {
    this.input = input
    this.name = name
  }

  /** Read the next member; null at the end mark. The caller reads the content. */
  async next(): Promise<TarMember | null> {
    const extension = {
      records: new Map() as PaxRecords,
      longName: null as Uint8Array | null,
      longLink: null as Uint8Array | null,
    }
    let budget = maxExtension
    for (;;) {
      const offset = this.input.offset
      const block = await this.block()
      if (block === null) {
        if (budget !== maxExtension)
          throw this.error('BAD_ARCHIVE', 'the end comes after a header of extensions', offset)
        return null
      }
      const fields = fieldsOf(block)
      const type = fields.type[0] === 0 ? '0' : String.fromCharCode(fields.type[0]!)
      if (!'xgLK'.includes(type)) {
        const records = new Map([...this.globals, ...extension.records])
        // An empty value cancels an earlier one.
        for (const [keyword, value] of records)
          if (value.length === 0 && globalKeywords.has(keyword)) records.delete(keyword)
        return { offset, fields, type, ...extension, records }
      }
      const size = this.sizeOf(fields.size, offset)
      budget -= size + blockSize
      if (budget < 0) throw this.error('BAD_ARCHIVE', `more than ${maxExtension} bytes of extensions`, offset)
      const body = await this.body(size)
      if (type === 'L') extension.longName = textField(body)
      else if (type === 'K') extension.longLink = textField(body)
      else this.addRecords(body, type === 'g' ? this.globals : extension.records, type === 'g', offset)
    }
  }

  sizeOf(field: Uint8Array, offset: number): number {
    const size = Number(numberField(field) ?? Number.NaN)
    if (Number.isSafeInteger(size) && size >= 0) return size
    throw this.error('BAD_ARCHIVE', 'cannot read the size', offset)
  }

  error(code: ArchiveCode, what: string, offset: number): UmlcowError {
    return archiveError(code, this.name, what, { offset })
  }

  private addRecords(body: Uint8Array, into: PaxRecords, isGlobal: boolean, offset: number): void {
    const records = parsePaxRecords(body)
    if (records === null) throw this.error('BAD_ARCHIVE', 'cannot read a record of a pax header', offset)
    for (const [keyword, value] of records) {
      if (keyword.startsWith('GNU.sparse.') || keyword === 'SCHILY.realsize') {
        throw this.error('ARCHIVE_FEATURE', 'sparse files in archives are not supported', offset)
      }
      if (!isGlobal || globalKeywords.has(keyword)) into.set(keyword, value)
    }
  }

  private async body(size: number): Promise<Uint8Array> {
    const padded = ceilTo(size, blockSize)
    const body = await this.input.upTo(padded)
    if (body.length === padded) return body.subarray(0, size)
    throw this.error('TRUNCATED_ARCHIVE', 'the end comes inside a header of extensions', this.input.offset)
  }

  /** Read a header and check its sum. Null for the end mark: two blocks of zeros, or one and the end of the input. */
  private async block(): Promise<Uint8Array | null> {
    const offset = this.input.offset
    const block = await this.input.upTo(blockSize)
    if (block.length < blockSize) {
      throw this.error('TRUNCATED_ARCHIVE', 'the end comes without an end mark', this.input.offset)
    }
    if (isZero(block)) {
      const second = await this.input.upTo(blockSize)
      if (isZero(second)) return null
      throw this.error('BAD_ARCHIVE', 'a block of zeros stands between members', offset)
    }
    if (!hasRightChecksum(block)) {
      const code = offset === 0 ? 'NOT_ARCHIVE' : 'BAD_ARCHIVE'
      throw this.error(code, `${offset === 0 ? 'not a tar archive: ' : ''}the checksum of a header is wrong`, offset)
    }
    return block
  }
}
