import { parseDigits } from '../../bytes/decimal.js'
import { allocate, copyOf, latin1Text } from '../../bytes/fast.js'
import { InputReader } from '../../bytes/input-reader.js'
import { archiveError, cutLine, type ReadOptions } from '../manifest/archive-error.js'
import { isDeviceNumber } from '../manifest/device.js'
import { maxMode } from '../manifest/mode.js'
import { maxPathLength, safePath } from '../manifest/path.js'
import { nsPerSecond } from '../manifest/time.js'
import { isWithin, maxId } from '../manifest/validate.js'
import { backslash, isBlank, quote, type SquashfsDefinition } from './layout.js'

/** Room for a name with every byte escaped, a target, and numbers. */
const maxLineLength = 4 * maxPathLength

/**
 * Read the definitions of a pseudo file of squashfs-tools.
 *
 * @throws UmlcowError NOT_ARCHIVE when the first line is not a definition; BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH;
 *   ARCHIVE_FEATURE for lines that run commands, make links or hold data
 */
export async function* readSquashfsPseudo(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<SquashfsDefinition> {
  const name = options.name ?? 'squashfs pseudo file'
  const input = new InputReader(source)
  let isKnown = false
  try {
    for (let number = 1; ; number++) {
      const line = await input.line(maxLineLength)
      if (line === null) return
      if (line === 'long') throw archiveError('BAD_ARCHIVE', name, `more than ${maxLineLength} bytes`, { line: number })
      if (input.isLineCut) throw cutLine(name, number)
      if (line.at(-1) === backslash) {
        throw archiveError('ARCHIVE_FEATURE', name, 'lines joined by a backslash are not supported', { line: number })
      }
      const words = new Words(line)
      if (words.isEmpty() || line[0] === 0x23) continue
      const parsed = parseDefinition(words, name, number)
      if (parsed === null) {
        throw archiveError(isKnown ? 'BAD_ARCHIVE' : 'NOT_ARCHIVE', name, 'not a definition', { line: number })
      }
      isKnown = true
      yield parsed
    }
  } finally {
    await input.close()
  }
}

/** Reads the words of a line, one after another. */
class Words {
  private readonly line: Uint8Array
  private at = 0

  constructor(line: Uint8Array) {
    this.line = line
    this.skipBlanks()
  }

  isEmpty(): boolean {
    return this.at >= this.line.length
  }

  /** Read the rest of the line unchanged. */
  rest(): Uint8Array {
    const rest = copyOf(this.line.subarray(this.at))
    this.at = this.line.length
    return rest
  }

  next(): Uint8Array {
    const start = this.at
    while (!this.isEmpty() && !isBlank(this.line[this.at])) this.at++
    const word = this.line.subarray(start, this.at)
    this.skipBlanks()
    return word
  }

  /** Read a name, quoted or not; null when a quote has no end, or a backslash has nothing after it. */
  name(): Uint8Array | null {
    const isQuoted = this.line[this.at] === quote
    if (isQuoted) this.at++
    const out = allocate(this.line.length - this.at)
    let length = 0
    while (!this.isEmpty()) {
      const byte = this.line[this.at]!
      if (isQuoted ? byte === quote : isBlank(byte)) break
      if (byte === backslash) this.at++
      if (this.isEmpty()) return null
      out[length++] = this.line[this.at++]!
    }
    if (isQuoted && this.isEmpty()) return null
    if (isQuoted) this.at++
    this.skipBlanks()
    return out.subarray(0, length)
  }

  private skipBlanks(): void {
    while (isBlank(this.line[this.at])) this.at++
  }
}

/** Parse a line; null when it is not a definition. */
function parseDefinition(words: Words, name: string, line: number): SquashfsDefinition | null {
  const rawName = words.name()
  if (rawName === null) return null
  const kind = latin1Text(words.next(), 0, 2)
  const letter = kind.toLowerCase()
  if (letter.length === 1 && 'frlhx'.includes(letter)) {
    throw archiveError('ARCHIVE_FEATURE', name, `definitions of kind "${kind}" are not supported`, { line })
  }
  if (letter.length !== 1 || !'mdcbis'.includes(letter)) return null
  const seconds = kind === letter ? null : parseDigits(words.next(), 10)
  const mode = parseDigits(words.next(), 8)
  const uid = parseDigits(words.next(), 10)
  const gid = parseDigits(words.next(), 10)
  if (mode === null || uid === null || gid === null || (kind !== letter && seconds === null)) return null
  if (!isWithin(mode, maxMode) || !isWithin(uid, maxId) || !isWithin(gid, maxId) || (seconds ?? 0) > maxId) return null
  const special = parseTail(letter, words)
  if (special === null || !words.isEmpty()) return null
  const path = safePath(rawName, name, { line })
  const mtimeNs = seconds === null ? null : BigInt(seconds) * nsPerSecond
  return { path, mode, uid, gid, mtimeNs, ...special }
}

/** Parse the fields that only some kinds have; null when they are missing. */
function parseTail(letter: string, words: Words): Pick<SquashfsDefinition, 'type' | 'device' | 'linkTarget'> | null {
  const none = { device: null, linkTarget: null }
  if (letter === 'm') return { type: null, ...none }
  if (letter === 'd') return { type: 'directory', ...none }
  if (letter === 'i') {
    const kind = latin1Text(words.next(), 0, 2)
    return kind === 'f' ? { type: 'fifo', ...none } : kind === 's' ? { type: 'socket', ...none } : null
  }
  if (letter === 's') {
    const linkTarget = words.rest()
    const isTarget = linkTarget.length > 0 && linkTarget.length <= maxPathLength && !linkTarget.includes(0)
    return isTarget ? { type: 'symlink', device: null, linkTarget } : null
  }
  const major = parseDigits(words.next(), 10)
  const minor = parseDigits(words.next(), 10)
  if (major === null || minor === null || !isDeviceNumber({ major, minor })) return null
  return { type: letter === 'b' ? 'block' : 'character', device: { major, minor }, linkTarget: null }
}
