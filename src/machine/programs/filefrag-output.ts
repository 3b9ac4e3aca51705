/**
 * Stretches of a file that may store data, ascending and apart from each other: `[start, end, start, end, ...]`, bytes.
 */
export type DataStretches = Float64Array

/** Gaps up to this many bytes are not worth the bookkeeping to most: reading such a hole takes microseconds. */
const smallGap = 64 * 1024

/** A list with more stretches than this does not help, and would grow with the file. */
const maxStretches = 2 ** 20

/** Characters. The longest line of filefrag, with numbers of 16 digits, has about 150. */
const maxLineLength = 1000

/** Parses the output of `filefrag -v -b1` line by line, as it comes. One odd line makes all of it invalid. */
export class ExtentParser {
  readonly #size: number
  readonly #gap: number
  #rest = ''
  #lines = 0
  #isOdd = false
  #isFinished = false
  #rows = 0
  #listedEnd = 0
  #stretches = new Float64Array(1024)
  #length = 0

  /**
   * @param size  size of the file; the listing must agree with it
   * @param gap   join stretches with a gap of up to this many bytes between them
   */
  constructor(size: number, gap = smallGap) {
    this.#size = size
    this.#gap = gap
  }

  refuse(): void {
    this.#isOdd = true
  }

  push(text: string): void {
    if (this.#isOdd) return // Keep none of the rest: it may never end.
    const lines = (this.#rest + text).split('\n')
    this.#isOdd = lines.some((line) => line.length > maxLineLength)
    this.#rest = lines.pop()!
    for (const line of lines) {
      if (this.#isOdd) return
      this.#isOdd = !this.#take(line)
    }
  }

  finish(): DataStretches | null {
    return this.#isOdd || !this.#isFinished || this.#rest !== '' ? null : this.#stretches.slice(0, this.#length)
  }

  #take(line: string): boolean {
    const number = ++this.#lines
    if (this.#isFinished) return false
    if (number === 1) return line.startsWith('Filesystem type is: ')
    // The blocks are bytes, but those of whole blocks of the file system.
    if (number === 2) return isSizeLine(line, this.#size)
    if (line.startsWith('/proc/self/fd/3: ')) {
      this.#isFinished = line.endsWith(' extents found') || line.endsWith(' extent found')
      return this.#isFinished
    }
    if (number === 3) return line.startsWith(' ext: ')
    return this.#takeRow(line.split(':'))
  }

  /**
   * Parse a row such as ` 0:  4096..  8191:  1000..  5095:  4096:  4096: last`. Its logical bytes and its length count.
   */
  #takeRow([index, logical, , length]: string[]): boolean {
    const [first, last, ...more] = (logical ?? '').split('..')
    const [start, end, size] = [wholeNumber(first), wholeNumber(last) + 1, wholeNumber(length)]
    if (wholeNumber(index) !== this.#rows++ || more.length > 0) return false
    // Every comparison with NaN is false.
    if (!(start >= this.#listedEnd && end - start === size && size > 0)) return false
    this.#listedEnd = end
    return this.#add(start, Math.min(end, this.#size))
  }

  #add(start: number, end: number): boolean {
    if (start >= end) return true // Preallocated beyond the end of the file.
    if (this.#length > 0 && start - this.#stretches[this.#length - 1]! <= this.#gap) {
      this.#stretches[this.#length - 1] = end
      return true
    }
    if (this.#length === 2 * maxStretches) return false
    if (this.#length === this.#stretches.length) {
      const grown = new Float64Array(2 * this.#length)
      grown.set(this.#stretches)
      this.#stretches = grown
    }
    this.#stretches[this.#length++] = start
    this.#stretches[this.#length++] = end
    return true
  }
}

/** Test for a line such as `File size of NAME is 5000 (8192 blocks of 1 bytes)`, or `block of`. */
function isSizeLine(line: string, size: number): boolean {
  const start = `File size of /proc/self/fd/3 is ${size} (`
  const rest = line.startsWith(start) ? line.slice(start.length) : ''
  const end = [' blocks of 1 bytes)', ' block of 1 bytes)'].find((one) => rest.endsWith(one))
  return end !== undefined && !Number.isNaN(wholeNumber(rest.slice(0, -end.length)))
}

const decimalDigits = new Set('0123456789')

function wholeNumber(text: string | undefined): number {
  const digits = (text ?? '').trim()
  const value = Number(digits)
  const isWhole = digits !== '' && [...digits].every((digit) => decimalDigits.has(digit))
  return isWhole && Number.isSafeInteger(value) ? value : Number.NaN
}
