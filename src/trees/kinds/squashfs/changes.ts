import { UmlcowError } from '../../../errors.js'
import { shownPath } from '../../../formats/manifest/archive-error.js'
import { pathKey } from '../../../formats/manifest/path.js'
import type { SquashfsDefinition } from '../../../formats/squashfs-pseudo/index.js'
import { asBuffer } from '../../../machine/path-bytes.js'
import { hasSeveralNames, inodeKey, type LinkFacts } from '../../link-table.js'
import type { ContentTree } from '../../source/content-tree.js'
import type { Defined } from './definitions.js'

/** Finds the change of a file of the tree. A change of one name is a change of the file, so of all its names. */
export class Changes {
  private readonly tree: ContentTree
  private readonly definitions: ReadonlyMap<string, Defined>
  private readonly name: string
  /** Changes of files with several names. Null before the first such file. */
  private byInode: Map<string, SquashfsDefinition> | null = null

  /** @param definitions  the definitions of this name and of those that come after it */
  constructor(tree: ContentTree, definitions: ReadonlyMap<string, Defined>, name: string) {
    this.tree = tree
    this.definitions = definitions
    this.name = name
  }

  /**
   * Find the change of a name.
   *
   * @param own  the definition of this name
   * @throws     UmlcowError BAD_ARCHIVE when two names of a file have different changes
   */
  of(facts: LinkFacts, own: Defined | undefined): SquashfsDefinition | null {
    if (!hasSeveralNames(facts)) return own !== undefined && isChange(own) ? own : null
    this.byInode ??= this.lookUp()
    return this.byInode.get(pathKey(inodeKey(facts))) ?? null
  }

  private lookUp(): Map<string, SquashfsDefinition> {
    const found = new Map<string, SquashfsDefinition>()
    for (const definition of this.definitions.values()) {
      if (!isChange(definition)) continue
      const facts = this.tree.find(asBuffer(definition.path))
      if (facts === null || !hasSeveralNames(facts)) continue
      const key = pathKey(inodeKey(facts))
      const other = found.get(key)
      found.set(key, other === undefined ? definition : this.joined(other, definition))
    }
    return found
  }

  /** Join the changes of two names of a file. A change without a time leaves the time to the other. */
  private joined(one: SquashfsDefinition, other: SquashfsDefinition): SquashfsDefinition {
    const isSameTime = one.mtimeNs === null || other.mtimeNs === null || one.mtimeNs === other.mtimeNs
    if (isSameTime && one.mode === other.mode && one.uid === other.uid && one.gid === other.gid) {
      return one.mtimeNs === null ? other : one
    }
    const paths = [one.path, other.path].map(shownPath)
    const lines = `lines ${one.line} and ${other.line}`
    throw new UmlcowError('BAD_ARCHIVE', `${this.name}: ${paths.join(' and ')} are one file, and ${lines} disagree`, {
      details: { paths, line: other.line },
    })
  }
}

function isChange(definition: Defined): definition is SquashfsDefinition {
  return definition.kind === 'definition' && definition.type === null
}
