import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import type { HostPath } from '../../machine/host-files.js'
import { directoryName } from '../../machine/path-bytes.js'
import type { TreeFacts } from '../host/tree-facts.js'
import type { TreeReader } from '../host/tree-reader.js'
import { inodeKey } from '../link-table.js'
import type { NameCount } from './placed-names.js'

/** Every file system takes this many names of a file. The old one of System V takes the fewest. */
const alwaysTaken = 126

const hint = 'make the tree on a file system that takes more, such as XFS'

/**
 * Refuse a tree with more names of one file than the file system takes.
 *
 * @param most       the file with the most names
 * @param directory  the place of the new tree
 * @throws           UmlcowError TOO_MANY_LINKS
 */
export async function refuseManyNames(
  reader: TreeReader,
  most: NameCount | null,
  directory: HostPath,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (most === null || most.count <= alwaysTaken) return
  const above = directoryName(directory)
  const limit = await reader.linkLimit(above, signal)
  if (limit === null || most.count <= limit) return
  const path = shownPath(most.path)
  const what = `has ${most.count} names (hard links), and the file system of ${printablePath(above)} takes ${limit}`
  const details = { path, names: most.count, limit }
  throw new UmlcowError('TOO_MANY_LINKS', `${path}: ${what}`, { details, hint })
}

/** Explain the error of a file system that takes no more names. Other errors stay as they are. */
export function explainLinkLimit(path: Uint8Array, isDirectory: boolean, error: unknown): unknown {
  if (!hasCode(error, 'EMLINK')) return error
  const shown = shownPath(path)
  const what = isDirectory ? 'directories in one directory' : 'names (hard links) of one file'
  const details = { path: shown }
  const message = `${shown}: the file system takes no more ${what}`
  return new UmlcowError('TOO_MANY_LINKS', message, { details, hint, cause: error })
}

/** Counts the names that each file has in a tree of the host. */
export class NameCounter {
  /** The file with the most names. */
  most: NameCount | null = null
  private readonly counts = new Map<string, number>()

  add(path: Uint8Array, facts: Pick<TreeFacts, 'type' | 'device' | 'inode' | 'nlink'>): void {
    // Only few files have so many names. The others take no memory.
    if (facts.type === 'directory' || facts.nlink <= alwaysTaken) return
    const key = inodeKey(facts).toString('latin1')
    const count = (this.counts.get(key) ?? 0) + 1
    this.counts.set(key, count)
    if (count > (this.most?.count ?? 0)) this.most = { path: Buffer.from(path), count }
  }
}
