import { parseDigits } from '../../bytes/decimal.js'
import { escapeText } from '../../bytes/escape.js'
import { indexOfByte } from '../../bytes/fast.js'
import { hasCode } from '../../errors.js'
import type { ExtFileSystem } from '../../filesystems/ext/index.js'

/** The names that an image itself gives to its users and groups. */
export interface OwnerNames {
  /** For people: controls are escaped. Null when the image has no name for the number. */
  user(uid: number): string | null
  group(gid: number): string | null
}

/** More than any such file has, in bytes: all of it is kept in memory. */
const maxFileSize = 2 ** 20

const newline = 0x0a
const colon = 0x3a

/** Read /etc/passwd and /etc/group of an image, never those of this host. A file that is missing gives no names. */
export async function readOwnerNames(files: ExtFileSystem): Promise<OwnerNames> {
  const users = await readNames(files, '/etc/passwd')
  const groups = await readNames(files, '/etc/group')
  return { user: (uid) => users.get(uid) ?? null, group: (gid) => groups.get(gid) ?? null }
}

async function readNames(files: ExtFileSystem, path: string): Promise<Map<number, string>> {
  const names = new Map<number, string>()
  for (const line of linesOf(await contentOf(files, path))) {
    // Both files begin with a name, a password and a number.
    const [name, , digits] = fieldsOf(line)
    const number = digits === undefined ? null : parseDigits(digits, 10)
    // As in the host's look-up, the first line counts.
    if (name === undefined || name.length === 0 || number === null || names.has(number)) continue
    names.set(number, escapeText(Buffer.from(name).toString()))
  }
  return names
}

async function contentOf(files: ExtFileSystem, path: string): Promise<Uint8Array> {
  try {
    const inode = await files.lookup(Buffer.from(path))
    if (inode.type !== 'file') return new Uint8Array(0)
    const bytes = new Uint8Array(Math.min(inode.size, maxFileSize))
    return bytes.subarray(0, await files.read(inode, 0, bytes))
  } catch (error) {
    if (hasCode(error, 'FS_NOT_FOUND', 'FS_UNSUPPORTED')) return new Uint8Array(0)
    throw error
  }
}

function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; ) {
    const found = indexOfByte(bytes, newline, start)
    const end = found < 0 ? bytes.length : found
    yield bytes.subarray(start, end)
    start = end + 1
  }
}

function fieldsOf(line: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = []
  for (let start = 0; fields.length < 3 && start <= line.length; ) {
    const found = indexOfByte(line, colon, start)
    const end = found < 0 ? line.length : found
    fields.push(line.subarray(start, end))
    start = end + 1
  }
  return fields
}
