import { parseDigits } from '../../bytes/decimal.js'
import { latin1Bytes, latin1Text } from '../../bytes/fast.js'
import { gatherBytes } from '../../bytes/gather.js'
import { InputReader } from '../../bytes/input-reader.js'
import { archiveError, cutLine, type ReadOptions } from '../manifest/archive-error.js'
import { decodeDevice, encodeDevice } from '../manifest/device.js'
import type { DeviceNumber, EntryType, ManifestEntry } from '../manifest/entry.js'
import { fullMode, isDevice, splitMode } from '../manifest/mode.js'
import { checkEntry, isWithin, maxId } from '../manifest/validate.js'

// A line of the file of "fakeroot -s" and "-i":
//   dev=fe00,ino=2902331,mode=104755,uid=1000,gid=50,nlink=1,rdev=0
// dev is hexadecimal. mode is octal, with the bits of the type. The others are decimal; rdev is a dev_t of Linux.
// fakeroot finds files by dev and ino, so the save file fits only this tree, and no copy of it.
// Source: fakeroot 1.31, as it writes and reads.

/** What fakeroot keeps for one file, whatever its number of names. */
export interface FakerootRecord {
  readonly dev: bigint
  readonly ino: bigint
  readonly type: EntryType
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly nlink: number
  readonly device: DeviceNumber | null
}

/** The identity of a file, from its stat. */
export type FileIdentity = Pick<FakerootRecord, 'dev' | 'ino' | 'nlink'>

const maxLineLength = 512
const maxWord = 2n ** 64n - 1n

/** Make the record of an entry. @throws UmlcowError ENTRY_UNFIT when a field of the entry is wrong */
export function fakerootRecord(entry: ManifestEntry, identity: FileIdentity): FakerootRecord {
  checkEntry(entry)
  const { type, mode, uid, gid, device } = entry
  return { ...identity, type, mode, uid, gid, device }
}

/** Write one line for each file. Pass the record of a file with several names once. */
export function writeFakeroot(records: AsyncIterable<FakerootRecord>): AsyncGenerator<Uint8Array> {
  return gatherBytes(lines(records))
}

async function* lines(records: AsyncIterable<FakerootRecord>): AsyncGenerator<Uint8Array> {
  for await (const record of records) yield serializeFakerootLine(record)
}

/** Write the line of a record. @throws RangeError when dev or ino does not fit into 64 bits */
export function serializeFakerootLine(record: FakerootRecord): Uint8Array {
  const { dev, ino, type, mode, uid, gid, nlink, device } = record
  if (dev < 0n || dev > maxWord || ino < 0n || ino > maxWord) throw new RangeError('dev and ino have 64 bits')
  const rdev = device === null ? 0 : encodeDevice(device)
  const modeText = fullMode(type, mode).toString(8)
  const words = [`dev=${dev.toString(16)}`, `ino=${ino}`, `mode=${modeText}`, `uid=${uid}`, `gid=${gid}`]
  return latin1Bytes(`${words.join(',')},nlink=${nlink},rdev=${rdev}\n`)
}

/**
 * Read a save file.
 *
 * @throws UmlcowError NOT_ARCHIVE when the first line is not fakeroot's; BAD_ARCHIVE when a later line is not;
 *   TRUNCATED_ARCHIVE
 */
export async function* readFakeroot(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ReadOptions = {},
): AsyncGenerator<FakerootRecord> {
  const name = options.name ?? 'fakeroot save file'
  const input = new InputReader(source)
  try {
    for (let number = 1; ; number++) {
      const line = await input.line(maxLineLength)
      if (line === null) return
      if (input.isLineCut) throw cutLine(name, number)
      const record = line === 'long' ? null : parseFakerootLine(line)
      if (record === null) {
        const code = number === 1 ? 'NOT_ARCHIVE' : 'BAD_ARCHIVE'
        throw archiveError(code, name, 'not a line of fakeroot', { line: number })
      }
      yield record
    }
  } finally {
    await input.close()
  }
}

const keywords = ['dev', 'ino', 'mode', 'uid', 'gid', 'nlink', 'rdev'] as const

/** Parse a line; null when it is not fakeroot's. @param line  a line without its newline */
export function parseFakerootLine(line: Uint8Array): FakerootRecord | null {
  const words = latin1Text(line).split(',')
  if (words.length !== keywords.length) return null
  const texts = words.map((word, i) => (word.startsWith(`${keywords[i]}=`) ? word.slice(keywords[i]!.length + 1) : ''))
  const [devText = '', inoText = '', modeText = '', ...rest] = texts
  const [uid, gid, nlink, rdev] = rest.map((text) => parseDigits(latin1Bytes(text), 10))
  const split = splitMode(parseDigits(latin1Bytes(modeText), 8) ?? -1)
  const dev = wordOf(devText, 16)
  const ino = wordOf(inoText, 10)
  if (split === null || dev === null || ino === null || nlink == null || rdev == null) return null
  if (!isWithin(uid ?? -1, maxId) || !isWithin(gid ?? -1, maxId)) return null
  const device = isDevice(split.type) ? decodeDevice(rdev) : null
  if (isDevice(split.type) && device === null) return null
  return { dev, ino, ...split, uid: uid!, gid: gid!, nlink, device }
}

/** Parse 64 bits without a sign; null for anything else. */
function wordOf(text: string, base: 10 | 16): bigint | null {
  if (text.length === 0 || text.length > 20) return null
  for (const digit of text) if (!'0123456789abcdef'.slice(0, base).includes(digit)) return null
  const value = BigInt(base === 16 ? `0x${text}` : text)
  return value <= maxWord ? value : null
}
