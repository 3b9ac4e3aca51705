import type { MetadataEntry, NodeLetter } from '../../../formats/humfs/metadata.js'
import type { EntryType } from '../../../formats/manifest/entry.js'
import type { TreeFacts } from '../../host/tree-facts.js'

export const letterOf: Readonly<Partial<Record<EntryType, NodeLetter>>> = { character: 'c', block: 'b', socket: 's' }

export const typeOfLetter = { c: 'character', b: 'block', p: 'fifo', s: 'socket' } as const

/** What an entry is made of. */
export type NodeFacts = Pick<TreeFacts, 'type' | 'mode' | 'uid' | 'gid' | 'major' | 'minor'>

/** The Perl tool masks with this; so does the kernel whenever a guest changes an owner or a mode. */
export const permissionBits = 0o777

/**
 * What the metadata says of a name. A FIFO stays a real one, which a guest can use, and has no node: the kernel takes an
 * empty file with `p` for a plain file.
 */
export function metadataOf(facts: NodeFacts, perlCompat: boolean): MetadataEntry {
  const { uid, gid } = facts
  const mode = perlCompat ? facts.mode & permissionBits : facts.mode
  const letter = perlCompat && facts.type === 'socket' ? undefined : letterOf[facts.type]
  if (letter === undefined) return { mode, uid, gid, node: null }
  const [major, minor] = letter === 's' ? [0, 0] : [facts.major, facts.minor]
  return { mode, uid, gid, node: { letter, major, minor } }
}

/** Whether the metadata does not hold the mode: the journal does then, until the run is over. */
export function losesMode({ mode }: Pick<TreeFacts, 'mode'>, perlCompat: boolean): boolean {
  return perlCompat && mode > permissionBits
}

/** Whether a name is replaced by an empty file: no device node is left to a user, and no kernel opens a socket. */
export function isReplaced({ type }: Pick<TreeFacts, 'type'>, perlCompat: boolean): boolean {
  return !perlCompat && letterOf[type] !== undefined
}

/**
 * The mode of the data. Bits above 0777 would show through in the guest; the kernel opens files for reading and writing,
 * as the user.
 */
export function dataMode({ type, mode }: Pick<TreeFacts, 'type' | 'mode'>, perlCompat: boolean): number {
  if (perlCompat) return 0o755
  return (mode & permissionBits) | (type === 'directory' ? 0o700 : 0o600)
}
