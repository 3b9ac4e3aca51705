import fs from 'node:fs'
import { parseDigits } from '../../bytes/decimal.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { findProgram } from './find-program.js'
import { runProgram } from './run-program.js'

export type NameKind = 'user' | 'group'

const places = {
  user: { file: '/etc/passwd', database: 'passwd', code: 'UNKNOWN_USER' },
  group: { file: '/etc/group', database: 'group', code: 'UNKNOWN_GROUP' },
} as const

/** chown takes 2^32 - 1 for "leave it", so no user has this id. */
const largestId = 2 ** 32 - 2

/** Find the id in the first line with a name, in the text of `/etc/passwd` or `/etc/group`: NAME:PASSWORD:ID:... */
export function idInDatabase(text: string, name: string): number | null {
  for (const line of text.split('\n')) {
    const [own, , id = ''] = line.split(':')
    const number = own === name ? parseDigits(Buffer.from(id, 'latin1'), 10) : null
    if (number !== null && number <= largestId) return number
  }
  return null
}

function readDatabase(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return '' // Another source may have the name.
    throw error
  }
}

/** Ask getent: names may also come from LDAP, NIS or systemd. */
async function askGetent(database: string, name: string): Promise<string> {
  const program = await findProgram('getent')
  if (program === null) return ''
  const chunks: Buffer[] = []
  const status = await runProgram(program, [database, '--', name], { onStdout: (chunk) => chunks.push(chunk) })
  return status === 0 ? Buffer.concat(chunks).toString('latin1') : ''
}

/**
 * Look up the id of a user or a group, by name or by number.
 *
 * Digits mean the name when the file of the host has such a name. After a plus they always mean the number.
 * Source: POSIX, chown, owner and group: a numeric operand that exists as a name is the name; GNU coreutils, +ID.
 *
 * @param read  reads the text of a file of names; empty when there is none
 * @throws      UmlcowError UNKNOWN_USER, UNKNOWN_GROUP
 */
export async function lookUpId(kind: NameKind, given: string, read = readDatabase): Promise<number> {
  const { file, database, code } = places[kind]
  if (/^\+?[0-9]+$/.test(given)) {
    const named = idInDatabase(read(file), given)
    if (named !== null) return named
    if (Number(given) <= largestId) return Number(given)
    throw new UmlcowError(code, `${given}: is not a ${kind} id: the largest is ${largestId}`)
  }
  const isName = given !== '' && !/[:\s\0]/.test(given)
  // Compare bytes: a name that is not ASCII is compared as its UTF-8.
  const bytes = Buffer.from(given).toString('latin1')
  const id = isName ? idInDatabase(read(file), bytes) : null
  if (id !== null) return id
  const elsewhere = isName ? idInDatabase(await askGetent(database, given), bytes) : null
  if (elsewhere !== null) return elsewhere
  throw new UmlcowError(code, `${JSON.stringify(given)}: is not a ${kind} of this host`)
}
