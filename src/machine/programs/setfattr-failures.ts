/** An attribute that the program could not set. */
export interface AttributeFailure {
  /** Below the directory. */
  readonly path: Buffer
  readonly reason: string
}

/** What the program could not set. */
export interface AttributeFailures {
  readonly count: number
  /** At most 1000. */
  readonly first: readonly AttributeFailure[]
}

const mostKept = 1000
/** A path has at most 64 KiB, and escapes take four characters for each of its bytes. */
const longestLine = 300_000
const start = 'setfattr: '
const [backslash, zero] = [0x5c, 0x30]

/** What the host says of values for which a file system has no room. */
const tooLarge: readonly string[] = ['No space left on device', 'Argument list too long', 'Value too large']

/** Reads the messages of setfattr: `setfattr: PATH: REASON`, a line for each attribute. */
export class FailureReader {
  private readonly top: string
  private readonly first: AttributeFailure[] = []
  private count = 0
  private rest = ''

  /** @param top  the directory, as the program sees it */
  constructor(top: string) {
    this.top = `${top}/`
  }

  add(chunk: Buffer): void {
    const lines = (this.rest + chunk.toString('latin1')).split('\n')
    this.rest = lines.pop()!.slice(0, longestLine)
    for (const line of lines) this.line(line)
  }

  result(): AttributeFailures {
    return { count: this.count, first: this.first }
  }

  private line(line: string): void {
    if (!line.startsWith(start)) return
    this.count++
    if (this.first.length >= mostKept) return
    const at = line.lastIndexOf(': ')
    const path = line.slice(start.length, Math.max(start.length, at))
    const reason = line.slice(at + 2)
    this.first.push({
      path: unescaped(path.startsWith(this.top) ? path.slice(this.top.length) : path),
      reason: tooLarge.includes(reason) ? 'larger than the file system of this host takes' : reason,
    })
  }
}

/** The bytes of a name in which some are written as a backslash and three octal digits. */
function unescaped(text: string): Buffer {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    const digits = text.charCodeAt(i) === backslash ? [1, 2, 3].map((k) => text.charCodeAt(i + k) - zero) : []
    const isEscape = digits.length === 3 && digits.every((digit) => digit >= 0 && digit < 8)
    bytes.push(isEscape ? (digits[0]! * 64 + digits[1]! * 8 + digits[2]!) % 256 : text.charCodeAt(i))
    if (isEscape) i += 3
  }
  return Buffer.from(bytes)
}
