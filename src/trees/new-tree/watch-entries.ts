import { latin1Text } from '../../bytes/fast.js'
import { shownPath } from '../../formats/manifest/archive-error.js'
import type { ManifestEntry } from '../../formats/manifest/entry.js'
import { asBuffer } from '../../machine/path-bytes.js'
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
        xattrs.map(({ name, value }) => ({ name: latin1Text(name), value: shortHex(value) })),
      )
    },
    warnings: () => losses.list(),
  }
}

/** An ACL with three entries takes 28 bytes. Nothing looks at longer values. */
const longestValue = 100

function shortHex(value: Uint8Array): string | null {
  return value.length > longestValue ? null : `0x${asBuffer(value).toString('hex')}`
}
