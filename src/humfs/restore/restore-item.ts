import { UmlcowError } from '../../errors.js'
import type { MetadataNode } from '../../formats/humfs/metadata.js'
import type { Owner, TreeFacts } from '../../trees/host/tree-facts.js'
import { permissionBits, typeOfLetter } from '../../trees/kinds/humfs/entry.js'
import type { Inspected } from '../../trees/kinds/humfs/inspect-tree.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { isOneWithOthers, replaceName } from '../replace-name.js'

/** What `chown` takes for "leave it as it is". */
const leaveOwner = 2 ** 32 - 1
export const noOwner = `has the owner ${leaveOwner} by its metadata, which no file can have`

export function hasNoOwner({ uid, gid }: Owner): boolean {
  return uid === leaveOwner || gid === leaveOwner
}

function isThatNode(facts: TreeFacts, { letter, major, minor }: MetadataNode): boolean {
  if (facts.type !== typeOfLetter[letter]) return false
  return letter === 'p' || letter === 's' || (facts.major === major && facts.minor === minor)
}

/**
 * Give a name the type, owner and mode of its entry. What is right is left alone, so that a second run does nothing.
 *
 * @throws UmlcowError when it has no entry that can be read, and what the host throws
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
        throw new UmlcowError('HUMFS_DAMAGED', `is a node (${node.letter}) by its metadata, and not empty`)
      }
      const make = async (draft: Buffer) => {
        await makeNode(work, draft, node)
        // Before it has its name: nobody shall open a device meanwhile who may not.
        writer.setOwner(draft, entry)
        writer.setMode(draft, entry.mode)
      }
      await replaceName(work, { ...place, make })
      facts = reader.lstat(path)
    }
  }
  // A change of the owner takes bits away: it comes first.
  const changesOwner = facts.uid !== entry.uid || facts.gid !== entry.gid
  if (changesOwner) writer.setOwner(path, entry)
  const losesBits = changesOwner && entry.mode > permissionBits
  if (facts.type === 'symlink' || (facts.mode === entry.mode && !losesBits)) return
  writer.setMode(path, entry.mode)
  // The system drops setgid without a word when one is no member of the group.
  if (entry.mode > permissionBits && reader.lstat(path).mode !== entry.mode) {
    throw new UmlcowError('HUMFS_INCOMPLETE', 'the system does not set its setuid, setgid or sticky bit')
  }
}

async function makeNode(work: Workspace, draft: Buffer, { letter, major, minor }: MetadataNode): Promise<void> {
  if (letter === 's') await makeSocketAt(work, draft)
  else if (letter === 'p') await work.writer.makeFifo(draft.toString())
  else await work.writer.makeDevice(draft.toString(), typeOfLetter[letter], major, minor)
}

/** Node's listener removes the name that it has made: it is another one by then. */
async function makeSocketAt({ reader, writer }: Workspace, draft: Buffer): Promise<void> {
  const listening = Buffer.concat([draft, Buffer.from('-socket')])
  if (reader.lstatOrNull(listening) !== null) writer.unlink(listening)
  await writer.makeSocket(listening, () => writer.rename(listening, draft))
}
