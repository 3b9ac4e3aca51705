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
 * A cpio archive in the "newc" form.
 *
 * Content stands with the first name of a file, for that is where it comes; all readers take it there, too.
 * Extended attributes and nanoseconds are lost, and times before 1970 or after 2106: the former and the latter with a
 * warning.
 *
 * @throws UmlcowError ENTRY_UNFIT, for files of 4 GiB and more among others; INPUT_CHANGED when content is not as long
 *   as announced
 */
export function writeCpio(items: AsyncIterable<ManifestItem>, options: WriteOptions = {}): AsyncGenerator<Uint8Array> {
  return gatherBytes(members(items, options))
}

/** @throws UmlcowError ENTRY_UNFIT when cpio cannot hold it */
export function checkCpioEntry(entry: ManifestEntry): void {
  checkEntry(entry)
  if (entry.size > maxFileSize) throw unfit(entry.path, 'cpio holds no files of 4 GiB and more', { size: entry.size })
}

/** Readers look for further names where there are several, and some no longer when as many have come. */
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
  // A file may be called as the end mark is.
  return equalBytes(path, utf8Bytes(trailerName)) ? utf8Bytes(`./${trailerName}`) : path
}

function serializeMember(name: Uint8Array, header: NewcHeader): Uint8Array {
  const start = serializeNewcHeader({ ...header, namesize: name.length + 1 })
  const length = start.length + name.length + 1
  return concatBytes([start, name], ceilTo(length, alignment))
}
