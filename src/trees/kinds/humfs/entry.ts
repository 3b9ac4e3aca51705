import type { MetadataEntry, NodeLetter } from '../../../formats/humfs/metadata.js'
import type { EntryType } from '../../../formats/manifest/entry.js'
import type { TreeFacts } from '../../host/tree-facts.js'

export const letterOf: Readonly<Partial<Record<EntryType, NodeLetter>>> = { character: 'c', block: 'b', socket: 's' }

export const typeOfLetter = { c: 'character', b: 'block', p: 'fifo', s: 'socket' } as const

/** The facts that an entry records. */
export type NodeFacts = Pick<TreeFacts, 'type' | 'mode' | 'uid' | 'gid' | 'major' | 'minor'>

/** The Perl tool masks modes with this. The kernel does so too, whenever a guest changes an owner or a mode. */
export const permissionBits = 0o777

/**
 * Compute the metadata of a name. A FIFO stays a FIFO, which a guest can use, and its entry has no node. The kernel
 * would take an empty file with `p` for a plain file.
 */
export function metadataOf(facts: NodeFacts, perlCompat: boolean): MetadataEntry {
  const { uid, gid } = facts
  const mode = perlCompat ? facts.mode & permissionBits : facts.mode
  const letter = perlCompat && facts.type === 'socket' ? undefined : letterOf[facts.type]
  if (letter === undefined) return { mode, uid, gid, node: null }
  const [major, minor] = letter === 's' ? [0, 0] : [facts.major, facts.minor]
  return { mode, uid, gid, node: { letter, major, minor } }
}

/** Whether the metadata loses bits of the mode. Then the journal keeps the mode until the run ends. */
export function losesMode({ mode }: Pick<TreeFacts, 'mode'>, perlCompat: boolean): boolean {
  return perlCompat && mode > permissionBits
}

/**
 * Whether an empty file replaces the name. This applies to device nodes, because a user must not get one, and to
 * sockets, because no kernel opens them.
 */
export function isReplaced({ type }: Pick<TreeFacts, 'type'>, perlCompat: boolean): boolean {
  return !perlCompat && letterOf[type] !== undefined
}

/**
 * Compute the mode of a file in data. It has no bits above 0777, because the guest would see them. The owner may read
 * and write, because the kernel opens files for both, as the user.
 */
export function dataMode({ type, mode }: Pick<TreeFacts, 'type' | 'mode'>, perlCompat: boolean): number {
  if (perlCompat) return 0o755
  return (mode & permissionBits) | (type === 'directory' ? 0o700 : 0o600)
}
