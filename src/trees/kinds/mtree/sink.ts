import { warnOf } from '../../../formats/manifest/archive-error.js'
import { checkEntry, entriesOf, type WriteOptions } from '../../../formats/manifest/index.js'
import { writeMtree } from '../../../formats/mtree/index.js'
import type { SourceItem } from '../../source/tree-source.js'
import type { StreamSink } from '../kind.js'
import { watchHostTypes } from '../watch-host-types.js'

export const mtreeSink: StreamSink = {
  hasContent: false,
  // bsdtar makes an archive from the text and the files, and does not read their attributes then.
  isCopy: true,
  isText: true,
  check: checkEntry,
  write(items, options) {
    const watched = watchHostTypes(warnOfSocket(items, options))
    return writeMtree(entriesOf(watched.items), { ...options, isOtherInTree: watched.isOtherInTree })
  },
}

async function* warnOfSocket(items: AsyncIterable<SourceItem>, options: WriteOptions): AsyncGenerator<SourceItem> {
  let isTold = false
  for await (const item of items) {
    if (item.entry.type === 'socket' && !isTold) {
      warnOf(options, item.entry.path, 'bsdtar ends at the first socket in mtree text; --no-sockets leaves them out')
      isTold = true
    }
    yield item
  }
}
