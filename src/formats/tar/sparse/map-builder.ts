import { type Stretches, StretchList } from '../../../bytes/stretch-list.js'
import type { UmlcowError } from '../../../errors.js'
import type { ArchiveCode } from '../../manifest/archive-error.js'
import { maxStretches } from './layout.js'

/** Makes the error for a member. */
export type Fail = (code: ArchiveCode, what: string, hint?: string) => UmlcowError

/** Takes the stretches of a sparse file as an archive lists them, and refuses those that no file has. */
export class SparseMapBuilder {
  private readonly list = new StretchList(maxStretches)
  private readonly realSize: number
  private readonly fail: Fail

  constructor(realSize: number, fail: Fail) {
    this.realSize = realSize
    this.fail = fail
  }

  /** Bytes of data. */
  get total(): number {
    return this.list.total
  }

  /** @throws UmlcowError BAD_ARCHIVE; ARCHIVE_FEATURE for more stretches than umlcow holds */
  add(offset: number, length: number): void {
    if (!isSize(offset) || !isSize(length)) throw this.fail('BAD_ARCHIVE', 'cannot read the map of a sparse file')
    if (offset < this.list.end) throw this.fail('BAD_ARCHIVE', 'the stretches of a sparse file overlap or descend')
    // Not the sum of both: it may be beyond the numbers that are exact.
    if (offset > this.realSize || length > this.realSize - offset) {
      throw this.fail('BAD_ARCHIVE', 'the map of a sparse file goes beyond its size')
    }
    if (this.list.isFull) {
      throw this.fail('ARCHIVE_FEATURE', `a sparse file of more than ${maxStretches} stretches`)
    }
    this.list.add(offset, offset + length)
  }

  stretches(): Stretches {
    return this.list.stretches()
  }
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
