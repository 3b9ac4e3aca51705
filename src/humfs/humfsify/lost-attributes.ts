import type { FileAttribute } from '../../machine/programs/getfattr-output.js'
import { aclMask, capability, hasAcl, listAttributes } from '../../trees/attributes/attribute-losses.js'
import { searchLosses } from '../../trees/attributes/search-losses.js'
import { isReplaced } from '../../trees/kinds/humfs/entry.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { inTree } from '../../trees/tree-path.js'
import { nameInData, tellRemoved } from '../removed-attributes.js'
import { changesOwner } from './change-data.js'
import type { PreflightTerms } from './preflight.js'

const advice =
  'humfs holds no extended attributes, and "umlcow humfsify -r" does not restore those that are removed; save all with ' +
  '"getfattr -R -P -h -d -e hex -m - -- data >FILE" before, restore with "setfattr -h --restore=FILE" after it'

/** Find the extended attributes of data, which a guest does not see, while `meanwhile` runs. */
export function humfsifyLosses<T>(work: Workspace, terms: PreflightTerms, meanwhile: () => Promise<T>) {
  return searchLosses(work.reader, work.paths.data, {
    signal: work.options.signal,
    meanwhile,
    nameOf: nameInData,
    advice,
    tell: (path, attributes) => tell(work, terms, path, attributes),
  })
}

function tell(
  { reader, paths }: Workspace,
  { owner, perlCompat }: PreflightTerms,
  path: Buffer,
  attributes: readonly FileAttribute[],
): string | null {
  const facts = reader.lstatOrNull(inTree(paths.data, path))
  if (facts === null) return null // The walk reports the change.
  if (isReplaced(facts, perlCompat)) return `an empty file replaces it, without ${listAttributes(attributes)}`
  const removed = attributes.filter(({ name }) => name === capability && changesOwner(facts, owner))
  const unseen = attributes.filter((one) => !removed.includes(one))
  return [
    ...tellRemoved(removed),
    ...(unseen.length === 0 ? [] : [`a guest does not see ${listAttributes(unseen)}`]),
    ...(hasAcl(attributes) ? [aclMask] : []),
  ].join('; ')
}
