import { equalBytes, utf8Bytes } from '../../bytes/fast.js'
import { InputReader } from '../../bytes/input-reader.js'
import { UmlcowError } from '../../errors.js'
import { archiveError, cutLine, type ReadOptions } from '../manifest/archive-error.js'
import { ArchiveContent } from '../manifest/content.js'
import { maxPathLength } from '../manifest/path.js'
import { backslash, dataMarker, hash, isBlank, type SquashfsData, type SquashfsLine } from './layout.js'
import type { LookUpOwner } from './owner-ids.js'
import { type LineContext, parseLine } from './parse-line.js'
import { Words } from './words.js'

/** Room for a name with every byte escaped, a target, and numbers. */
const maxLineLength = 4 * maxPathLength

const marker = utf8Bytes(dataMarker)
const markerEnd = utf8Bytes('#\n')

export interface SquashfsReadOptions extends ReadOptions {
  /** Looks up owners by name. Without this option, no name is known. */
  readonly lookUpOwner?: LookUpOwner | undefined
}

/** Reads a pseudo file of squashfs-tools: its lines, and then the data section. */
export class SquashfsPseudoReader {
  private readonly input: InputReader
  private readonly name: string
  private readonly options: SquashfsReadOptions
  /** The last line with data; 0 when there is none. */
  private dataLine = 0
  /** Where the data section starts in the input; null before its start was read. */
  private dataStart: number | null = null

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: SquashfsReadOptions = {}) {
    this.input = new InputReader(source)
    this.name = options.name ?? 'squashfs pseudo file'
    this.options = options
  }

  /**
   * Read the lines, up to the data section.
   *
   * @throws UmlcowError NOT_ARCHIVE when the first line is not a definition; BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH,
   *   UNKNOWN_USER, UNKNOWN_GROUP; ARCHIVE_FEATURE for lines that run commands or read files of the host
   */
  async *lines(): AsyncGenerator<SquashfsLine> {
    const lookUpOwner = this.options.lookUpOwner ?? (async () => null)
    let isKnown = false
    for (let line = 1; ; line++) {
      const text = await this.line(line)
      if (text === null) break
      const start = text.findIndex((byte) => !isBlank(byte))
      if (start < 0) continue
      const context: LineContext = {
        name: this.name,
        line,
        code: isKnown ? 'BAD_ARCHIVE' : 'NOT_ARCHIVE',
        lookUpOwner,
      }
      if (text[start] === hash) {
        if (equalBytes(text.subarray(start), marker)) return await this.enterData(line)
        await this.warnOfComment(new Words(text, start), context)
        continue
      }
      const parsed = await parseLine(new Words(text, start), context)
      isKnown = true
      if (parsed.kind === 'definition' && parsed.data !== null) this.dataLine = line
      yield parsed
    }
    if (this.dataLine === 0) return
    const missing = `the data section is missing: no line "${dataMarker}" after the file`
    throw archiveError('TRUNCATED_ARCHIVE', this.name, missing, { line: this.dataLine })
  }

  /**
   * Get the bytes of a file, after the last line. Call it in the order of the offsets. `finish` of the result skips what
   * nothing has read.
   *
   * @param path  the path of the file, for messages
   * @throws      UmlcowError TRUNCATED_ARCHIVE, while the result is read too
   */
  async content(path: Uint8Array, { length, offset }: SquashfsData): Promise<ArchiveContent> {
    if (length > 0) {
      const gap = this.dataStart! + offset - this.input.offset
      if (gap < 0) throw new Error('unreachable: the data of a file before the place of reading')
      if ((await this.input.skip(gap)) !== gap) {
        const place = { path, offset: this.input.offset }
        throw archiveError('TRUNCATED_ARCHIVE', this.name, 'the data section ends before the content', place)
      }
    }
    return new ArchiveContent(this.input, this.name, path, length)
  }

  /** Skip what nothing reads, so that its writer can finish. */
  async finish(): Promise<void> {
    await this.input.skipRest()
  }

  /** Stop reading. */
  close(): Promise<void> {
    return this.input.close()
  }

  private async line(line: number): Promise<Uint8Array | null> {
    const text = await this.input.line(maxLineLength)
    if (text === 'long') throw archiveError('BAD_ARCHIVE', this.name, `more than ${maxLineLength} bytes`, { line })
    if (this.input.isLineCut) throw cutLine(this.name, line)
    if (text?.at(-1) === backslash) {
      throw archiveError('ARCHIVE_FEATURE', this.name, 'lines joined by a backslash are not supported', { line })
    }
    return text
  }

  private async enterData(line: number): Promise<void> {
    const end = await this.input.upTo(markerEnd.length)
    if (!equalBytes(end, markerEnd)) {
      const code = end.length < markerEnd.length ? 'TRUNCATED_ARCHIVE' : 'BAD_ARCHIVE'
      throw archiveError(code, this.name, 'expected a line "#" before the data section', { line: line + 1 })
    }
    this.dataStart = this.input.offset
  }

  /** Warn about a name with # in front as unsquashfs writes it: mksquashfs takes its line for a comment, too. */
  private async warnOfComment(words: Words, context: LineContext): Promise<void> {
    const { onWarning } = this.options
    if (onWarning === undefined) return
    if (!(await isTimedDefinition(words, { ...context, lookUpOwner: async () => 0 }))) return
    onWarning(
      `${this.name}: line ${context.line} is a comment, because # is its first byte; quote a name that begins so`,
    )
  }
}

/** Whether a line is one that `unsquashfs -pf` writes. */
async function isTimedDefinition(words: Words, context: LineContext): Promise<boolean> {
  try {
    const line = await parseLine(words, context)
    return line.kind === 'link' || (line.kind === 'definition' && line.mtimeNs !== null)
  } catch (error) {
    if (error instanceof UmlcowError) return false // A comment may hold anything.
    throw error
  }
}
