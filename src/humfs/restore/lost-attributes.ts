import type { FileAttribute } from '../../machine/programs/getfattr-output.js'
import { capability, hasAcl, listAttributes } from '../../trees/attributes/attribute-losses.js'
import { searchLosses } from '../../trees/attributes/search-losses.js'
import { readEntry } from '../../trees/kinds/humfs/inspect-tree.js'
import { entryPath } from '../../trees/kinds/humfs/paths.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { nameInData, tellRemoved } from '../removed-attributes.js'

const advice =
  'to keep attributes, save them with "getfattr -R -P -h -d -e hex -m - -- data >FILE" before, and restore them with ' +
  '"setfattr -h --restore=FILE" after it'

/** Find the extended attributes that putting data back removes or changes, while `meanwhile` runs. */
export function restoreLosses<T>(work: Workspace, meanwhile: () => Promise<T>) {
  return searchLosses(work.reader, work.paths.data, {
    signal: work.options.signal,
    meanwhile,
    nameOf: nameInData,
    advice,
    tell: (path, attributes) => tell(work, path, attributes),
  })
}

function tell({ reader, paths }: Workspace, path: Buffer, attributes: readonly FileAttribute[]): string | null {
  const facts = reader.lstatOrNull(inTree(paths.data, path))
  if (facts === null) return null // The walk reports the change.
  const { entry } = readEntry(reader, entryPath(paths, path, facts.type === 'directory'))
  if (entry === null) return null // It stays as it is.
  if (entry.node !== null && facts.type === 'file') return `a node replaces it, without ${listAttributes(attributes)}`
  const isGiven = facts.uid !== entry.uid || facts.gid !== entry.gid
  const parts = tellRemoved(attributes.filter(({ name }) => name === capability && isGiven))
  if (hasAcl(attributes) && facts.mode !== entry.mode) parts.push('its mode from the metadata sets the mask of its ACL')
  return parts.length === 0 ? null : parts.join('; ')
}
