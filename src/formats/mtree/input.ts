import { concatBytes, copyOf } from '../../bytes/fast.js'
import { InputReader } from '../../bytes/input-reader.js'
import { nextTurn } from '../../bytes/next-turn.js'
import { cutLine } from '../manifest/archive-error.js'
import { mtreeError } from './error.js'
import { isContinued } from './text.js'

/** The longest line: a path and a target of 64 KiB with every byte escaped, and room for digests. */
const maxLineLength = 1024 * 1024
/** After so many lines, or as much text in longer ones, signals get through: that is some 10 ms of work. */
export const linesPerTurn = 1024
const textPerTurn = 128 * 1024

/** A line, joined with the next ones for as long as it ends in a backslash. */
export interface MtreeLine {
  /** The number of its first line. */
  readonly line: number
  /** Valid until the next line is read. */
  readonly text: Uint8Array
}

/**
 * Read the lines of mtree text. A comment never goes on in the next line.
 *
 * @throws UmlcowError TRUNCATED_ARCHIVE, BAD_ARCHIVE for a line of more than 1 MiB
 */
export async function* mtreeLines(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  name: string,
): AsyncGenerator<MtreeLine> {
  const input = new InputReader(source)
  const lines = new LineReader(input, name)
  try {
    for (let work = 0; ; ) {
      const line = await lines.next()
      if (line === null) return
      yield line
      work += Math.max(line.text.length, textPerTurn / linesPerTurn)
      if (work < textPerTurn) continue
      work = 0
      await nextTurn()
    }
  } finally {
    await input.close()
  }
}

class LineReader {
  private readonly input: InputReader
  private readonly name: string
  private line = 0

  constructor(input: InputReader, name: string) {
    this.input = input
    this.name = name
  }

  async next(): Promise<MtreeLine | null> {
    const first = await this.physical(maxLineLength)
    if (first === null) return null
    const { line } = this
    if (!isContinued(first) || isComment(first)) return { line, text: first }
    return { line, text: await this.joined(copyOf(first.subarray(0, -1))) }
  }

  /** Join a line with the lines that continue it. */
  private async joined(first: Uint8Array): Promise<Uint8Array> {
    const parts = [first]
    // The extra byte ends an endless series of empty lines that continue.
    for (let room = maxLineLength - first.length - 1; ; ) {
      const text = await this.physical(room)
      if (text === null) return concatBytes(parts)
      const goesOn = isContinued(text)
      parts.push(copyOf(goesOn ? text.subarray(0, -1) : text))
      room -= text.length + 1
      if (!goesOn) return concatBytes(parts)
      if (room <= 0) throw this.tooLong()
    }
  }

  private async physical(room: number): Promise<Uint8Array | null> {
    this.line++
    const text = await this.input.line(Math.max(0, room))
    if (text === 'long') throw this.tooLong()
    if (this.input.isLineCut) throw cutLine(this.name, this.line)
    return text
  }

  private tooLong() {
    return mtreeError('BAD_ARCHIVE', { name: this.name, line: this.line }, `a line of more than ${maxLineLength} bytes`)
  }
}

function isComment(line: Uint8Array): boolean {
  const first = line.find((byte) => byte !== 0x20 && byte !== 0x09)
  return first === 0x23
}
