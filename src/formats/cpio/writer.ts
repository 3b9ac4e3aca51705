import { ceilTo } from '../../bytes/align.js'
import { allocate, concatBytes, equalBytes, utf8Bytes } from '../../bytes/fast.js'
import { gatherBytes } from '../../bytes/gather.js'
import { unfit, type WriteOptions, warnOf } from '../manifest/archive-error.js'
import { exactContent } from '../manifest/content.js'
import type { ManifestEntry, ManifestItem } from '../manifest/entry.js'
import { LinkNumbers } from '../manifest/link-numbers.js'
import { fullMode } from '../manifest/mode.js'
import { clampSeconds } from '../manifest/time.js'
import { checkEntry } from '../manifest/validate.js'
import { alignment, maxFileSize, type NewcHeader, serializeNewcHeader, trailerName } from './layout.js'

/**
 * Write a cpio archive in the "newc" form.
 *
 * The content comes with the first name of a file, as in the items. All readers accept this. The format cannot hold
 * extended attributes, times before 1970 or after 2106, or nanoseconds. Nanoseconds are lost without a warning, the
 * others with one.
 *
 * @throws UmlcowError ENTRY_UNFIT, also for files of 4 GiB and more; INPUT_CHANGED when the content of a file has
 *   another length than announced
 */
export function writeCpio(items: AsyncIterable<ManifestItem>, options: WriteOptions = {}): AsyncGenerator<Uint8Array> {
  return gatherBytes(members(items, options))
}

/** Check an entry. @throws UmlcowError ENTRY_UNFIT when cpio cannot hold it */
export function checkCpioEntry(entry: ManifestEntry): void {
  checkEntry(entry)
  if (entry.size > maxFileSize) throw unfit(entry.path, 'cpio holds no files of 4 GiB and more', { size: entry.size })
}

/** Readers expect further names when the count is above 1, and some stop when they have seen that many. */
const unknownLinkCount = 1_000_000

async function* members(items: AsyncIterable<ManifestItem>, options: WriteOptions): AsyncGenerator<Uint8Array> {
  const links = new LinkNumbers()
  for await (const item of items) {
    const { entry } = item
    checkCpioEntry(entry)
    warnOfLosses(entry, options)
    const { inode, linkCount } = links.numberOf(entry)
    const target = entry.linkTarget
    const hasContent = entry.type === 'file' && entry.hardLinkTo === null && entry.size > 0
    const size = target?.length ?? (hasContent ? entry.size : 0)
    yield serializeMember(nameOf(entry), {
      ...headerOf(entry, options),
      ino: inode,
      nlink: linkCount ?? unknownLinkCount,
      filesize: size,
    })
    if (target !== null) yield target
    if (hasContent) yield* exactContent(item)
    yield allocate(ceilTo(size, alignment) - size)
  }
  yield serializeMember(utf8Bytes(trailerName), { ...emptyHeader, nlink: 1 })
}

const emptyHeader: NewcHeader = {
  ino: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  nlink: 0,
  mtime: 0,
  filesize: 0,
  devmajor: 0,
  devminor: 0,
  rdevmajor: 0,
  rdevminor: 0,
  namesize: 0,
  check: 0,
}

function headerOf(entry: ManifestEntry, options: WriteOptions): NewcHeader {
  const { seconds, isExact } = clampSeconds(entry.mtimeNs)
  if (!isExact) warnOf(options, entry.path, 'cpio holds times from 1970 to 2106 only')
  return {
    ...emptyHeader,
    mode: fullMode(entry.type, entry.mode),
    uid: entry.uid,
    gid: entry.gid,
    mtime: seconds,
    rdevmajor: entry.device?.major ?? 0,
    rdevminor: entry.device?.minor ?? 0,
  }
}

function warnOfLosses(entry: ManifestEntry, options: WriteOptions): void {
  if ((entry.xattrs?.length ?? 0) > 0) warnOf(options, entry.path, 'cpio holds no extended attributes')
}

function nameOf({ path }: ManifestEntry): Uint8Array {
  if (path.length === 0) return utf8Bytes('.')
  // A file may have the name of the end mark.
  return equalBytes(path, utf8Bytes(trailerName)) ? utf8Bytes(`./${trailerName}`) : path
}

function serializeMember(name: Uint8Array, header: NewcHeader): Uint8Array {
  const start = serializeNewcHeader({ ...header, namesize: name.length + 1 })
  const length = start.length + name.length + 1
  return concatBytes([start, name], ceilTo(length, alignment))
}
