import { latin1Text } from '../../bytes/fast.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import type { ManifestEntry } from '../../formats/manifest/entry.js'
import { AttributeLosses } from '../attributes/attribute-losses.js'

/** Looks at the entries of a manifest for extended attributes, which no new tree holds. */
export interface EntryWatch {
  look(entry: ManifestEntry): void
  warnings(): string[]
}

/** Start to look at entries. @param tree  the kind of the new tree */
export function watchEntries(tree: string): EntryWatch {
  const losses = new AttributeLosses({
    nameOf: shownPath,
    advice: `umlcow writes no extended attributes into a ${tree}`,
  })
  return {
    look({ path, xattrs }) {
      if (xattrs === null || xattrs.length === 0) return
      losses.add(
        path,
        xattrs.map(({ name }) => ({ name: latin1Text(name), value: null })),
      )
    },
    warnings: () => losses.list(),
  }
}
