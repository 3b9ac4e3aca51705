import { checkCpioEntry, writeCpio } from '../../formats/cpio/index.js'
import { fakerootRecord, writeFakeroot } from '../../formats/fakeroot/index.js'
import { warnOf } from '../../formats/manifest/archive-error.js'
import {
  checkEntry,
  type EntryType,
  entriesOf,
  type ManifestEntry,
  type WriteOptions,
  writeMtree,
} from '../../formats/manifest/index.js'
import { checkSquashfsEntry, writeSquashfsPseudo } from '../../formats/squashfs-pseudo/index.js'
import { checkTarEntry, writeTar } from '../../formats/tar/index.js'
import type { SourceItem } from '../source/tree-source.js'
import type { StreamFormat } from './stream-formats.js'

/** Writes trees as a stream of bytes. */
export interface StreamWriter {
  /** The content of files goes in, too. */
  readonly hasContent: boolean
  /** What it writes is plain text that a terminal may have. */
  readonly isText: boolean
  /** @throws UmlcowError ENTRY_UNFIT when the format cannot hold it */
  check(entry: ManifestEntry, hostType: EntryType): void
  write(items: AsyncIterable<SourceItem>, options: WriteOptions): AsyncGenerator<Buffer>
}

/** The formats that are one stream, by the name that the command line has for them. */
export const streamWriters = {
  tar: { hasContent: true, isText: false, check: checkTarEntry, write: writeTar },
  cpio: { hasContent: true, isText: false, check: checkCpioEntry, write: writeCpio },
  mtree: {
    hasContent: false,
    isText: true,
    check: checkEntry,
    write(items, options) {
      const told = alongside(warnOfSocket(items, options))
      return writeMtree(entriesOf(told.items), { ...options, isOtherInTree: () => !told.isAsInTree() })
    },
  },
  fakeroot: {
    hasContent: false,
    isText: true,
    check: checkEntry,
    write: (items) => writeFakeroot(recordsOf(items)),
  },
  squashfs: {
    hasContent: false,
    // Names stand in it as they are.
    isText: false,
    check: (entry, hostType) => checkSquashfsEntry(entry, entry.type === hostType),
    write(items, options) {
      const told = alongside(items)
      return writeSquashfsPseudo(entriesOf(told.items), { ...options, isInTree: told.isAsInTree, times: true })
    },
  },
} as const satisfies Record<StreamFormat, StreamWriter>

/** The items, and whether the host has under the name of the last one what it is in the tree. */
function alongside(items: AsyncIterable<SourceItem>): { items: AsyncIterable<SourceItem>; isAsInTree: () => boolean } {
  let last: SourceItem | null = null
  async function* passed(): AsyncGenerator<SourceItem> {
    for await (const item of items) {
      last = item
      yield item
    }
  }
  return { items: passed(), isAsInTree: () => last !== null && last.entry.type === last.hostType }
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

/** One for each file. */
async function* recordsOf(items: AsyncIterable<SourceItem>): AsyncGenerator<ReturnType<typeof fakerootRecord>> {
  for await (const { entry, identity } of items) {
    if (entry.hardLinkTo === null) yield fakerootRecord(entry, identity)
  }
}
