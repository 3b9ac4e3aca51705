import { parseDigits } from '../../../bytes/decimal.js'
import { numberAt } from '../layout.js'
import type { TarMember } from '../member.js'
import { oldNumberLength, type oldSparseBlock, oldSparseHeader, sparseRecord, starRealSize } from './layout.js'
import { type Fail, SparseMapBuilder } from './map-builder.js'

/** What the header of a sparse file says. The rest of its map may follow in the archive. */
export interface SparseHeader {
  /** Bytes of the file with its holes. */
  readonly realSize: number
  readonly map: SparseMapBuilder
  /** Where the rest of the map is: in blocks of the old form, as text before the data, or nowhere. */
  readonly rest: 'blocks' | 'text' | null
}

const otherForm = 'is stored in a sparse form that umlcow does not read'
const otherFormHint = 'make the archive again with GNU tar: "tar --sparse --format=posix"'

/**
 * Find out whether a member is a sparse file.
 *
 * @returns null for any other member
 * @throws  UmlcowError BAD_ARCHIVE for a bad map, ARCHIVE_FEATURE for the form of star and unknown versions
 */
export function sparseHeaderOf(member: TarMember, fail: Fail): SparseHeader | null {
  const { type, records } = member
  const hasRecords = records.size > 0 && hasSparseRecord(records)
  if (type !== 'S') return hasRecords ? paxHeader(member, fail) : null
  if (member.fields.isPosix || records.has(starRealSize)) throw fail('ARCHIVE_FEATURE', otherForm, otherFormHint)
  if (hasRecords) throw fail('BAD_ARCHIVE', 'has the map of a sparse file in two forms')
  return oldHeader(member.fields.bytes, fail)
}

function hasSparseRecord(records: TarMember['records']): boolean {
  for (const keyword of records.keys()) if (keyword.startsWith('GNU.sparse.') || keyword === starRealSize) return true
  return false
}

function oldHeader(block: Uint8Array, fail: Fail): SparseHeader {
  const realSize = numberAt(block, oldSparseHeader.offsetOf('realSize'), oldSparseHeader.lengthOf('realSize'))
  if (!Number.isSafeInteger(realSize) || realSize < 0)
    throw fail('BAD_ARCHIVE', 'cannot read the size of a sparse file')
  const map = new SparseMapBuilder(realSize, fail)
  addOldStretches(map, block, oldSparseHeader)
  const isExtended = block[oldSparseHeader.offsetOf('isExtended')] !== 0
  return { realSize, map, rest: isExtended ? 'blocks' : null }
}

/** Add the stretches of a header or block of the old form. An empty length ends the list. */
export function addOldStretches(
  map: SparseMapBuilder,
  block: Uint8Array,
  layout: typeof oldSparseHeader | typeof oldSparseBlock,
): void {
  const start = layout.offsetOf('stretches')
  const end = start + layout.lengthOf('stretches')
  for (let at = start; at < end; at += 2 * oldNumberLength) {
    if (block[at + oldNumberLength] === 0) return
    map.add(numberAt(block, at, oldNumberLength), numberAt(block, at + oldNumberLength, oldNumberLength))
  }
}

function paxHeader({ type, records }: TarMember, fail: Fail): SparseHeader {
  const number = (keyword: string): number | null => {
    const value = records.get(keyword)
    const parsed = value === undefined ? null : parseDigits(value, 10)
    if (value !== undefined && parsed === null) throw fail('BAD_ARCHIVE', `cannot read the record ${keyword}`)
    return parsed
  }
  if (type !== '0' && type !== '7') throw fail('BAD_ARCHIVE', 'has the map of a sparse file, but is no file')
  const version = `${number(sparseRecord.major) ?? 0}.${number(sparseRecord.minor) ?? 0}`
  const realSize = number(sparseRecord.realSize) ?? number(sparseRecord.size)
  const isKnown = version === '1.0' || version === '0.0' || version === '0.1'
  if (!isKnown || realSize === null) throw fail('ARCHIVE_FEATURE', otherForm, otherFormHint)
  const map = new SparseMapBuilder(realSize, fail)
  if (version === '1.0') return { realSize, map, rest: 'text' }
  addRecordStretches(map, records.get(sparseRecord.map), number(sparseRecord.count), fail)
  return { realSize, map, rest: null }
}

const comma = 0x2c

/** Add the stretches of `GNU.sparse.map`. The parser of the records gives version 0.0 this form, too. */
function addRecordStretches(map: SparseMapBuilder, text: Uint8Array | undefined, count: number | null, fail: Fail) {
  const numbers = text === undefined || text.length === 0 ? [] : numbersIn(text)
  if (numbers.length % 2 !== 0 || (count !== null && count * 2 !== numbers.length)) {
    throw fail('BAD_ARCHIVE', 'the map of a sparse file has another length than announced')
  }
  for (let i = 0; i < numbers.length; i += 2) map.add(numbers[i]!, numbers[i + 1]!)
}

function numbersIn(text: Uint8Array): number[] {
  const numbers: number[] = []
  for (let start = 0; start <= text.length; ) {
    const found = text.indexOf(comma, start)
    const end = found < 0 ? text.length : found
    numbers.push(parseDigits(text.subarray(start, end), 10) ?? Number.NaN)
    start = end + 1
  }
  return numbers
}
