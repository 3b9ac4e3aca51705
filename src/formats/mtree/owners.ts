import { escapeText } from '../../bytes/escape.js'
import { type MtreePlace, missingKeyword, mtreeError } from './error.js'
import type { MtreeDefinition } from './list.js'
import type { FindOwner } from './tree.js'

type Kind = 'user' | 'group'

const owners = {
  user: { id: 'uid', name: 'uname', code: 'UNKNOWN_USER' },
  group: { id: 'gid', name: 'gname', code: 'UNKNOWN_GROUP' },
} as const

/** True when an entry names its owner or its group, and has no number. */
export function needsLookUp({ values }: MtreeDefinition): boolean {
  const { uid, gid, uname, gname } = values
  return (uid === undefined && uname !== undefined) || (gid === undefined && gname !== undefined)
}

/** Get the number of the owner or the group. @throws UmlcowError BAD_ARCHIVE when there is none */
export function ownerOf(kind: Kind, { path, values }: MtreeDefinition, place: MtreePlace): number {
  const { id, name } = owners[kind]
  const number = values[id]
  if (number === undefined) throw missingKeyword(id, path, place, ` and no ${name}`)
  return number
}

/** Finds the owners of entries by name. It looks up each name once. */
export class MtreeOwners {
  private readonly find: FindOwner
  private readonly known = { user: new Map<string, number>(), group: new Map<string, number>() }

  constructor(find: FindOwner) {
    this.find = find
  }

  /** Add the numbers of the owner and the group to an entry. @throws UmlcowError UNKNOWN_USER, UNKNOWN_GROUP */
  async complete({ values }: MtreeDefinition, place: MtreePlace): Promise<void> {
    values.uid ??= await this.idOf('user', values.uname, place)
    values.gid ??= await this.idOf('group', values.gname, place)
  }

  private async idOf(kind: Kind, text: string | undefined, place: MtreePlace): Promise<number | undefined> {
    if (text === undefined) return undefined
    const known = this.known[kind].get(text)
    if (known !== undefined) return known
    const found = await this.find(kind, text)
    if (found === null) {
      const { id, name, code } = owners[kind]
      const what = `${name} "${escapeText(text)}": this host has no such ${kind}; use ${id}=NUMBER instead`
      throw mtreeError(code, place, what, { keyword: name, value: text })
    }
    this.known[kind].set(text, found)
    return found
  }
}
