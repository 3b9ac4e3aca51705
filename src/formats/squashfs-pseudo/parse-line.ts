import { parseDigits, parseInteger } from '../../bytes/decimal.js'
import { printablePath } from '../../bytes/escape.js'
import { latin1Text } from '../../bytes/fast.js'
import type { UmlcowError } from '../../errors.js'
import { archiveError, shorten } from '../manifest/archive-error.js'
import { decodeDevice, isDeviceNumber } from '../manifest/device.js'
import { maxMode } from '../manifest/mode.js'
import { maxPathLength, safePath } from '../manifest/path.js'
import { nsPerSecond } from '../manifest/time.js'
import { isWithin, maxId } from '../manifest/validate.js'
import type { SquashfsData, SquashfsDefinition, SquashfsLine } from './layout.js'
import { type LookUpOwner, ownerId } from './owner-ids.js'
import type { Words } from './words.js'

/** The place of a line, and how to read it. */
export interface LineContext {
  /** The name of the input. */
  readonly name: string
  readonly line: number
  /** The code of an error: NOT_ARCHIVE for the first line, BAD_ARCHIVE for the others. */
  readonly code: 'NOT_ARCHIVE' | 'BAD_ARCHIVE'
  readonly lookUpOwner: LookUpOwner
}

type Special = Pick<SquashfsDefinition, 'type' | 'device' | 'linkTarget' | 'data'>

const none = { device: null, linkTarget: null, data: null }

/**
 * Parse a line that is not a comment.
 *
 * @throws UmlcowError NOT_ARCHIVE, BAD_ARCHIVE, UNSAFE_PATH, UNKNOWN_USER, UNKNOWN_GROUP; ARCHIVE_FEATURE for lines that
 *   run commands or read files of the host
 */
export async function parseLine(words: Words, context: LineContext): Promise<SquashfsLine> {
  const { name, line } = context
  const rawName = words.name()
  // The line ends after a name, or within one.
  if (rawName === null || words.isEmpty()) throw cutName(context)
  const kind = latin1Text(words.next(), 0, 2)
  if (kind.length !== 1 || !'mdcbisMDCBISRLxfFlh'.includes(kind)) throw notDefinition(context)
  const path = safePath(rawName, name, { line })
  if ('fFlh'.includes(kind)) throw refusedKind(context, path, kind)
  if (kind === 'L') return { kind: 'link', line, path, first: linkedName(words, context) }
  if (kind === 'x') return { kind: 'attribute', line, path, name: attributeName(words, context) }
  const isTimed = kind < 'a'
  const mtimeNs = isTimed ? timeOf(words, context) : null
  const mode = parseMode(words, context)
  const uid = await parseOwner('user', words, context)
  const gid = await parseOwner('group', words, context)
  const special = parseSpecial(kind, words)
  if (special === null || !words.isEmpty()) throw notDefinition(context)
  return { kind: 'definition', line, path, mode, uid, gid, mtimeNs, ...special }
}

function notDefinition({ code, name, line }: LineContext): UmlcowError {
  return archiveError(code, name, 'not a definition', { line })
}

/** unsquashfs writes a newline in a name as it is, and no pseudo file can hold one. */
function cutName({ code, name, line }: LineContext): UmlcowError {
  const what = 'not a definition: nothing follows the name'
  if (code === 'NOT_ARCHIVE') return archiveError(code, name, what, { line })
  const hint =
    'a newline in the name of a file does this: unpack the image as root with "unsquashfs -d TREE IMAGE", then use ' +
    '--from directory TREE'
  return archiveError(code, name, what, { line }, hint)
}

function refusedKind({ name, line }: LineContext, path: Uint8Array, kind: string): UmlcowError {
  const does = kind === 'f' || kind === 'F' ? 'runs a command' : 'takes a file of the host'
  const what = `umlcow reads the kinds m d c b i s M D C B I S R L x, but not "${kind}" (${does})`
  const hint = 'make an image with mksquashfs, then import the file that "unsquashfs -pf FILE IMAGE" writes'
  return archiveError('ARCHIVE_FEATURE', name, what, { path, line }, hint)
}

function linkedName(words: Words, context: LineContext): Uint8Array {
  const first = words.name()
  if (first === null || first.length === 0 || !words.isEmpty()) throw notDefinition(context)
  return safePath(first, context.name, { line: context.line })
}

function attributeName(words: Words, context: LineContext): Uint8Array {
  const text = words.rest()
  const end = text.indexOf(0x3d)
  if (end <= 0) throw notDefinition(context)
  return text.subarray(0, end)
}

function timeOf(words: Words, context: LineContext): bigint {
  const word = words.name()
  const seconds = word === null ? null : parseDigits(word, 10)
  if (word !== null && seconds !== null && seconds <= maxId) return BigInt(seconds) * nsPerSecond
  throw badValue(context, 'time', word, 'seconds since 1970, in 32 bits')
}

function parseMode(words: Words, context: LineContext): number {
  const word = words.next()
  const mode = parseDigits(word, 8)
  if (mode !== null && isWithin(mode, maxMode)) return mode
  throw badValue(context, 'mode', word, 'octal digits up to 7777')
}

async function parseOwner(kind: 'user' | 'group', words: Words, context: LineContext): Promise<number> {
  const word = words.next()
  if (word.length === 0) throw notDefinition(context)
  return await ownerId(kind, word, context, context.lookUpOwner)
}

function badValue({ code, name, line }: LineContext, what: string, word: Uint8Array | null, expected: string) {
  const shown = word === null ? '' : ` "${printablePath(shorten(word))}"`
  return archiveError(code, name, `cannot read the ${what}${shown}: expected ${expected}`, { line })
}

/** Parse the fields that only some kinds have; null when they are missing. */
function parseSpecial(kind: string, words: Words): Special | null {
  const letter = kind.toLowerCase()
  switch (letter) {
    case 'm':
      return { type: null, ...none }
    case 'd':
      return { type: 'directory', ...none }
    case 'i': {
      const what = latin1Text(words.next(), 0, 2)
      return what === 'f' ? { type: 'fifo', ...none } : what === 's' ? { type: 'socket', ...none } : null
    }
    case 's': {
      const linkTarget = words.rest()
      const isTarget = linkTarget.length > 0 && linkTarget.length <= maxPathLength && !linkTarget.includes(0)
      return isTarget ? { ...none, type: 'symlink', linkTarget } : null
    }
    case 'r': {
      const data = parseData(words)
      return data === null ? null : { ...none, type: 'file', data }
    }
    default: {
      const device = parseDevice(words, kind !== letter)
      return device === null ? null : { ...none, type: letter === 'b' ? 'block' : 'character', device }
    }
  }
}

function parseData(words: Words): SquashfsData | null {
  const length = parseDigits(words.next(), 10)
  const offset = parseDigits(words.next(), 10)
  // Since 4.6, it says whether the file has holes. The data section holds their zeros.
  const isSparse = words.isEmpty() ? 0 : parseDigits(words.next(), 10)
  if (length === null || offset === null || isSparse === null || isSparse > 1) return null
  return Number.isSafeInteger(offset + length) ? { length, offset } : null
}

/** A dev_t without its last byte. */
const topLimit = 2 ** 24

function parseDevice(words: Words, isTimed: boolean): SquashfsDefinition['device'] {
  const major = Number(parseInteger(words.next()) ?? Number.NaN)
  const minor = parseDigits(words.next(), 10)
  if (minor === null) return null
  if (isDeviceNumber({ major, minor })) return { major, minor }
  // For a minor number above 255, unsquashfs 4.5 writes a dev_t of 32 bits with a sign in two parts: all but the last
  // byte as major, and that byte as minor.
  if (!isTimed || minor > 255 || !isWithin(major + topLimit / 2, 1.5 * topLimit - 1)) return null
  return decodeDevice(((major + topLimit) % topLimit) * 256 + minor)
}
