import { allocate, concatBytes, copyOf, equalBytes, latin1Bytes, latin1Text, utf8Bytes } from '../../bytes/fast.js'
import { InputReader } from '../../bytes/input-reader.js'
import type { UmlcowError } from '../../errors.js'
import { type ArchiveCode, archiveError, cutLine, type ReadOptions } from './archive-error.js'
import type { ManifestEntry } from './entry.js'
import { isDevice } from './mode.js'
import { applyWord, type MtreeValues, unset, wordsOf } from './mtree-line.js'
import { unescapeName } from './mtree-text.js'
import { joinNames, maxPathLength, pathKey, safePath } from './path.js'

/** The longest line: a path and a target of 64 KiB with every byte escaped, and room for digests. */
const maxLineLength = 1024 * 1024

export interface MtreeReadOptions extends ReadOptions {
  /** Gives the size of a file when the text has none. Without this option the size is then 0. */
  readonly sizeOf?: ((path: Uint8Array) => number) | undefined
}

/**
 * Read the entries of mtree text: libarchive's form, with paths from the top, or the older form, where the line of a
 * directory enters it and `..` leaves it.
 *
 * Lines with the same `inode` and `resdevice`, and an `nlink` other than 1, are names of one file. The reader keeps
 * their paths. `type`, `mode`, `uid` and `gid` are required, but not the mode of a symbolic link. A missing time is
 * 1970.
 *
 * @throws UmlcowError NOT_ARCHIVE when the first line is not mtree text; BAD_ARCHIVE, TRUNCATED_ARCHIVE, UNSAFE_PATH
 */
export async function* readMtree(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: MtreeReadOptions = {},
): AsyncGenerator<ManifestEntry> {
  const input = new InputReader(source)
  const reader = new MtreeReader(options)
  try {
    for (;;) {
      const line = await reader.logicalLine(input)
      if (line === null) return reader.end()
      const entry = reader.parse(line)
      if (entry !== null) yield entry
    }
  } finally {
    await input.close()
  }
}

class MtreeReader {
  private readonly name: string
  private readonly sizeOf: (path: Uint8Array) => number
  private line = 0
  private isKnown = false
  private readonly defaults: MtreeValues = {}
  /** The lengths of the directories that the lines have entered. Each directory is a prefix of `directory`. */
  private readonly depths: number[] = []
  private directory: Uint8Array = allocate(0)
  private readonly firstNames = new Map<string, { readonly path: string; left: number }>()

  constructor({ name = 'mtree text', sizeOf = () => 0 }: MtreeReadOptions) {
    this.name = name
    this.sizeOf = sizeOf
  }

  /** Read a line, and join it with the next one for as long as it ends in a backslash. */
  async logicalLine(input: InputReader): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = []
    let room = maxLineLength
    for (;;) {
      this.line++
      const line = await input.line(room)
      if (line === 'long') throw this.error('BAD_ARCHIVE', `a line of more than ${maxLineLength} bytes`)
      if (line === null) return parts.length === 0 ? null : concatBytes(parts)
      if (input.isLineCut) throw cutLine(this.name, this.line)
      const goesOn = endsInBackslash(line)
      if (!goesOn && parts.length === 0) return line
      parts.push(copyOf(goesOn ? line.subarray(0, -1) : line))
      // The extra byte ends an endless series of empty lines that continue.
      room -= line.length + 1
      if (room <= 0) throw this.error('BAD_ARCHIVE', `a line of more than ${maxLineLength} bytes`)
      if (!goesOn) return concatBytes(parts)
    }
  }

  /** Refuse a text without entries: a program that failed leaves an empty file. */
  end(): void {
    if (!this.isKnown) throw this.error('BAD_ARCHIVE', 'the end comes before the first entry')
  }

  parse(line: Uint8Array): ManifestEntry | null {
    const [first, ...rest] = wordsOf(line)
    if (first === undefined) return null
    if (first[0] === 0x23) {
      this.isKnown ||= equalBytes(first, utf8Bytes('#mtree'))
      return null
    }
    const command = latin1Text(first, 0, 8)
    if (command === '/set') this.apply(rest, this.defaults)
    else if (command === '/unset') for (const word of rest) unset(word, this.defaults)
    else if (command === '..' && first.length === 2) this.leave()
    else return this.entry(first, rest)
    return null
  }

  private apply(words: readonly Uint8Array[], values: MtreeValues): MtreeValues {
    for (const word of words) {
      const wrong = applyWord(word, values)
      if (wrong !== null) throw this.error('BAD_ARCHIVE', `cannot read the value of "${wrong}"`)
    }
    return values
  }

  private leave(): void {
    const length = this.depths.pop()
    if (length === undefined) throw this.error('BAD_ARCHIVE', 'the line ".." leads above the top')
    this.directory = this.directory.subarray(0, length)
  }

  private entry(first: Uint8Array, rest: readonly Uint8Array[]): ManifestEntry {
    const values = this.apply(rest, { ...this.defaults })
    const named = unescapeName(first)
    if (named === null || values.type === undefined)
      throw this.error('BAD_ARCHIVE', 'cannot read the name or the type of an entry')
    // Only an unescaped slash makes a path from the top. An escaped one still separates the components.
    const isFull = first.includes(0x2f)
    const own = safePath(named, this.name, { line: this.line })
    const path = isFull ? own : joinNames(this.directory, own)
    if (path.length > maxPathLength) throw this.error('UNSAFE_PATH', `a path of ${path.length} bytes`)
    if (!isFull && values.type === 'directory') {
      this.depths.push(this.directory.length)
      this.directory = path
    }
    const entry = this.complete(path, values)
    this.isKnown = true
    return entry
  }

  private complete(path: Uint8Array, values: MtreeValues): ManifestEntry {
    const { type, mode, uid, gid, device = null, linkTarget = null } = values
    const finalMode = mode ?? (type === 'symlink' ? 0o777 : undefined)
    if (type === undefined || finalMode === undefined || uid === undefined || gid === undefined) {
      throw this.error('BAD_ARCHIVE', 'an entry without type, mode, uid or gid')
    }
    if (isDevice(type) !== (device !== null))
      throw this.error('BAD_ARCHIVE', 'only devices have a device number, and they all do')
    if (type === 'symlink' && linkTarget === null) throw this.error('BAD_ARCHIVE', 'a symbolic link without a target')
    if (path.length === 0 && type !== 'directory') throw this.error('UNSAFE_PATH', 'an entry without a name')
    const hardLinkTo = type === 'directory' ? null : this.firstName(path, values)
    const hasContent = type === 'file' && hardLinkTo === null
    return {
      path,
      type,
      mode: finalMode,
      uid,
      gid,
      device,
      linkTarget: type === 'symlink' ? linkTarget : null,
      hardLinkTo,
      size: type === 'file' ? (values.size ?? (hasContent ? this.sizeOf(path) : 0)) : 0,
      mtimeNs: values.mtimeNs ?? 0n,
      xattrs: null,
    }
  }

  /** Find the path of the first name when this is a further one; else null. */
  private firstName(path: Uint8Array, { inode, nlink, resdevice }: MtreeValues): Uint8Array | null {
    if (inode === undefined || nlink === 1) return null
    const key = `${resdevice ?? ''} ${inode}`
    const group = this.firstNames.get(key)
    if (group === undefined) {
      this.firstNames.set(key, { path: pathKey(path), left: (nlink || Number.POSITIVE_INFINITY) - 1 })
      return null
    }
    group.left--
    if (group.left <= 0) this.firstNames.delete(key)
    return latin1Bytes(group.path)
  }

  private error(code: ArchiveCode, what: string): UmlcowError {
    const isFirst = code === 'BAD_ARCHIVE' && !this.isKnown
    return archiveError(isFirst ? 'NOT_ARCHIVE' : code, this.name, isFirst ? `not mtree text: ${what}` : what, {
      line: this.line,
    })
  }
}

/** True for an odd number of backslashes. An even number consists of escaped backslashes. */
function endsInBackslash(line: Uint8Array): boolean {
  let count = 0
  while (count < line.length && line[line.length - 1 - count] === 0x5c) count++
  return count % 2 === 1
}
