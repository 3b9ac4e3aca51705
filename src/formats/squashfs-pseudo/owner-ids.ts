import { parseInteger } from '../../bytes/decimal.js'
import { pathText, printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { archiveError } from '../manifest/archive-error.js'
import { isWithin, maxId } from '../manifest/validate.js'

/** Looks up the id of a user or a group of the host by name; null when the host has no such name. */
export type LookUpOwner = (kind: 'user' | 'group', name: string) => Promise<number | null>

const plus = 0x2b

/**
 * Get the id of an owner: a number is the id, anything else is a name.
 *
 * @throws UmlcowError UNKNOWN_USER, UNKNOWN_GROUP when the host does not know the name; BAD_ARCHIVE when there is no
 *   such id
 */
export async function ownerId(
  kind: 'user' | 'group',
  word: Uint8Array,
  { name, line }: { readonly name: string; readonly line: number },
  lookUp: LookUpOwner,
): Promise<number> {
  const shown = `"${printablePath(word)}"`
  const number = parseInteger(word[0] === plus ? word.subarray(1) : word)
  if (number !== null) {
    // unsquashfs 4.5 writes the upper half of the ids as negative numbers.
    const id = Number(number < 0n ? number + 2n ** 32n : number)
    if (isWithin(id, maxId)) return id
    throw archiveError('BAD_ARCHIVE', name, `the ${kind} ${shown} is out of range: the largest id is ${maxId}`, {
      line,
    })
  }
  const text = pathText(word)
  const found = text === null ? null : await lookUp(kind, text)
  if (found !== null) return found
  const code = kind === 'user' ? 'UNKNOWN_USER' : 'UNKNOWN_GROUP'
  throw new UmlcowError(code, `${name}: ${shown} is not a ${kind} of this host in line ${line}`, {
    details: { line },
    hint: `write the id of the ${kind} as a number`,
  })
}
