import { ceilTo } from '../../bytes/align.js'
import { equalBytes, utf8Bytes, writeZeros } from '../../bytes/fast.js'
import { Gatherer } from '../../bytes/gather.js'
import { unfit, type WriteOptions, warnOf } from '../manifest/archive-error.js'
import { gatherContent, wholeContent } from '../manifest/content.js'
import type { ManifestEntry, ManifestItem } from '../manifest/entry.js'
import { type LinkNumber, LinkNumbers } from '../manifest/link-numbers.js'
import { fullMode } from '../manifest/mode.js'
import { clampSeconds } from '../manifest/time.js'
import { checkEntry } from '../manifest/validate.js'
import { alignment, headerSize, maxFileSize, type NewcHeader, trailerName, writeNewcHeader } from './layout.js'

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
export async function* writeCpio(
  items: AsyncIterable<ManifestItem>,
  options: WriteOptions = {},
): AsyncGenerator<Uint8Array> {
  const out = new Gatherer()
  const links = new LinkNumbers()
  for await (const item of items) {
    const { entry } = item
    checkCpioEntry(entry)
    warnOfLosses(entry, options)
    const target = entry.linkTarget
    const hasContent = entry.type === 'file' && entry.hardLinkTo === null && entry.size > 0
    const size = target?.length ?? (hasContent ? entry.size : 0)
    const name = nameOf(entry)
    writeHeader(out, name, headerOf(entry, name, links.numberOf(entry), size, options))
    if (target !== null) out.add(target)
    if (hasContent) {
      const whole = wholeContent(item)
      if (whole !== null) out.add(whole)
      else yield* gatherContent(out, item)
    }
    out.addZeros(ceilTo(size, alignment) - size)
    if (out.hasPieces) yield* out.takePieces()
  }
  writeHeader(out, trailer, { ...emptyHeader, nlink: 1, namesize: trailer.length + 1 })
  yield* out.takeAll()
}

/** Check an entry. @throws UmlcowError ENTRY_UNFIT when cpio cannot hold it */
export function checkCpioEntry(entry: ManifestEntry): void {
  checkEntry(entry)
  if (entry.size > maxFileSize) throw unfit(entry.path, 'cpio holds no files of 4 GiB and more', { size: entry.size })
}

/** Readers expect further names when the count is above 1, and some stop when they have seen that many. */
const unknownLinkCount = 1_000_000

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

function headerOf(
  entry: ManifestEntry,
  name: Uint8Array,
  { inode, linkCount }: LinkNumber,
  filesize: number,
  options: WriteOptions,
): NewcHeader {
  const { seconds, isExact } = clampSeconds(entry.mtimeNs)
  if (!isExact) warnOf(options, entry.path, 'cpio holds times from 1970 to 2106 only')
  return {
    ino: inode,
    mode: fullMode(entry.type, entry.mode),
    uid: entry.uid,
    gid: entry.gid,
    nlink: linkCount ?? unknownLinkCount,
    mtime: seconds,
    filesize,
    devmajor: 0,
    devminor: 0,
    rdevmajor: entry.device?.major ?? 0,
    rdevminor: entry.device?.minor ?? 0,
    namesize: name.length + 1,
    check: 0,
  }
}

function warnOfLosses(entry: ManifestEntry, options: WriteOptions): void {
  if ((entry.xattrs?.length ?? 0) > 0) warnOf(options, entry.path, 'cpio holds no extended attributes')
}

const top = utf8Bytes('.')
const trailer = utf8Bytes(trailerName)
const fileOfThatName = utf8Bytes(`./${trailerName}`)

function nameOf({ path }: ManifestEntry): Uint8Array {
  if (path.length === 0) return top
  // A file may have the name of the end mark.
  return equalBytes(path, trailer) ? fileOfThatName : path
}

/** Write a header, the name and its padding. */
function writeHeader(out: Gatherer, name: Uint8Array, header: NewcHeader): void {
  const length = headerSize + name.length + 1
  const padded = ceilTo(length, alignment)
  const at = out.reserve(padded)
  writeNewcHeader(header, out.memory, at)
  out.memory.set(name, at + headerSize)
  writeZeros(out.memory, at + length - 1, at + padded)
}
