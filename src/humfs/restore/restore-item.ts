import { UmlcowError } from '../../errors.js'
import type { MetadataNode } from '../../formats/humfs/metadata.js'
import type { Owner, TreeFacts } from '../../trees/host/tree-facts.js'
import { permissionBits, typeOfLetter } from '../../trees/kinds/humfs/entry.js'
import type { Inspected } from '../../trees/kinds/humfs/inspect-tree.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { isOneWithOthers, replaceName } from '../replace-name.js'

/** `chown` reads this number as "do not change the owner". */
const leaveOwner = 2 ** 32 - 1
export const noOwner = `has the owner ${leaveOwner} by its metadata, which no file can have`

/** Whether an entry has an owner that no file can have. */
export function hasNoOwner({ uid, gid }: Owner): boolean {
  return uid === leaveOwner || gid === leaveOwner
}

function isThatNode(facts: TreeFacts, { letter, major, minor }: MetadataNode): boolean {
  if (facts.type !== typeOfLetter[letter]) return false
  return letter === 'p' || letter === 's' || (facts.major === major && facts.minor === minor)
}

/**
 * Give a name the type, owner and mode of its entry. It changes only what is wrong, so a second run does nothing.
 *
 * @throws UmlcowError when it has no readable entry, and what the host throws
 */
export async function restoreItem(work: Workspace, { item, entry, entryFacts, failure }: Inspected): Promise<void> {
  const { reader, writer, paths } = work
  if (failure !== null) throw failure
  if (entry === null) throw new UmlcowError('HUMFS_ENTRY', 'has no metadata')
  if (hasNoOwner(entry)) throw new UmlcowError('HUMFS_ENTRY', noOwner)
  const path = inTree(paths.data, item.path)
  let { facts } = item
  const { node } = entry
  if (node !== null && entryFacts !== null && facts.type !== 'symlink' && facts.type !== 'directory') {
    const place = { path, facts, entry: entryFacts, kind: 'node' } as const
    if (!isThatNode(facts, node) || !isOneWithOthers(work, place)) {
      if (facts.size > 0) {
        throw new UmlcowError('HUMFS_DAMAGED', `is a node (${node.letter}) by its metadata, but not empty`)
      }
      const make = async (draft: Buffer) => {
        await makeNode(work, draft, node)
        // Do this before it gets its name: no other user may open the device meanwhile.
        writer.setOwner(draft, entry)
        writer.setMode(draft, entry.mode)
      }
      await replaceName(work, { ...place, make })
      facts = reader.lstat(path)
    }
  }
  // Set the owner first: the system then clears setuid and setgid.
  const changesOwner = facts.uid !== entry.uid || facts.gid !== entry.gid
  if (changesOwner) writer.setOwner(path, entry)
  const losesBits = changesOwner && entry.mode > permissionBits
  if (facts.type === 'symlink' || (facts.mode === entry.mode && !losesBits)) return
  writer.setMode(path, entry.mode)
  // The system silently drops setgid if the user is not a member of the group.
  if (entry.mode > permissionBits && reader.lstat(path).mode !== entry.mode) {
    throw new UmlcowError('HUMFS_INCOMPLETE', 'the system does not set its setuid, setgid or sticky bit')
  }
}

async function makeNode(work: Workspace, draft: Buffer, { letter, major, minor }: MetadataNode): Promise<void> {
  if (letter === 's') await makeSocketAt(work, draft)
  else if (letter === 'p') await work.writer.makeFifo(draft.toString())
  else await work.writer.makeDevice(draft.toString(), typeOfLetter[letter], major, minor)
}

/** Make a socket at a draft. Node removes the listener's name when it closes, so the socket is renamed before that. */
async function makeSocketAt({ reader, writer }: Workspace, draft: Buffer): Promise<void> {
  const listening = Buffer.concat([draft, Buffer.from('-socket')])
  if (reader.lstatOrNull(listening) !== null) writer.unlink(listening)
  await writer.makeSocket(listening, () => writer.rename(listening, draft))
}
