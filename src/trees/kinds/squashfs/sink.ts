import { entriesOf } from '../../../formats/manifest/index.js'
import { checkSquashfsEntry, writeSquashfsPseudo } from '../../../formats/squashfs-pseudo/index.js'
import type { StreamSink } from '../kind.js'
import { watchHostTypes } from '../watch-host-types.js'

export const squashfsSink: StreamSink = {
  hasContent: false,
  isCopy: false,
  // Names are not escaped.
  isText: false,
  check: (entry, hostType) => checkSquashfsEntry(entry, entry.type === hostType),
  write(items, options) {
    const watched = watchHostTypes(items)
    return writeSquashfsPseudo(entriesOf(watched.items), { ...options, isInTree: watched.isAsInTree, times: true })
  },
}
