import { UmlcowError } from '../../../errors.js'
import { fakerootRecord, writeFakeroot } from '../../../formats/fakeroot/index.js'
import { checkEntry } from '../../../formats/manifest/index.js'
import type { SourceItem } from '../../source/tree-source.js'
import type { StreamSink } from '../kind.js'

export const fakerootSink: StreamSink = {
  hasContent: false,
  isCopy: false,
  isText: true,
  check: checkEntry,
  write: (items) => writeFakeroot(recordsOf(items)),
}

/** Make one record for each file: further names have the same one. */
async function* recordsOf(items: AsyncIterable<SourceItem>): AsyncGenerator<ReturnType<typeof fakerootRecord>> {
  for await (const { entry, identity } of items) {
    if (identity === null) throw new UmlcowError('USAGE', 'a save file of fakeroot describes files of the host only')
    if (entry.hardLinkTo === null) yield fakerootRecord(entry, identity)
  }
}
