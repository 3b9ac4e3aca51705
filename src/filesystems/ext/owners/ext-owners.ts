import { readHalf, readWord } from '../../../bytes/words.js'
import { throwIfAborted, UmlcowError } from '../../../errors.js'
import { parseExtInode } from '../../../formats/ext/index.js'
import { claimHiddenInodes, claimInode, claimLayout, classOfFile } from '../diff/block-classes.js'
import type { ExtBlockClass } from '../diff/ext-differences.js'
import { visitUse } from '../diff/free-blocks.js'
import { visitRecord } from '../diff/record-places.js'
import { isNameable, openSide, type Side } from '../diff/side.js'
import type { ExtFileSystem } from '../ext-file-system.js'
import { type InodeWindow, scanRecords } from '../inode-table.js'
import { type OwnedRange, OwnerWindow } from './owner-window.js'

/** 32 MiB of owners. */
const defaultWindow = 2 ** 25

/** Each window takes a scan of all inodes. Enough for 2 TiB in blocks of 4 KiB. */
const maxWindows = 16

export interface ExtOwnersOptions {
  /** How many blocks have their owners in memory together, a byte for each. Default: 2^25 */
  readonly windowLength?: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Find out what each block of a file system is for. The ranges tile the image, in order; they come in batches. Memory
 * does not grow with the image: one that has more blocks than a window takes several scans of its inodes.
 *
 * @throws UmlcowError FS_DAMAGED; FS_UNSUPPORTED for a file system of more than 16 windows, by default 2^29 blocks
 */
export async function* extOwners(
  files: ExtFileSystem,
  { windowLength = defaultWindow, signal }: ExtOwnersOptions = {},
): AsyncGenerator<readonly OwnedRange[]> {
  const side = openSide(files)
  const { blockCount, blockSize } = side.superblock
  const size = files.image.virtualSize
  // A file system can be larger than its image, which is damage.
  const count = Math.min(blockCount, Math.floor(size / blockSize))
  if (count > windowLength * maxWindows) throw tooLarge(count, windowLength * maxWindows)
  const room = new Uint8Array(Math.min(count, windowLength))
  for (let start = 0; start < count; start += windowLength) {
    const window = new OwnerWindow(start, Math.min(count, start + windowLength), room)
    await fillWindow(side, window, signal)
    yield* window.ranges(blockSize)
  }
  if (count * blockSize < size) yield [{ start: count * blockSize, end: size, owner: 'outside' }]
}

function tooLarge(count: number, limit: number): UmlcowError {
  return new UmlcowError('FS_UNSUPPORTED', `umlcow finds the owners of up to ${limit} blocks: these are ${count}`)
}

async function fillWindow(side: Side, window: OwnerWindow, signal: AbortSignal | undefined): Promise<void> {
  await claimLayout(side, window)
  await claimHiddenInodes(side, window)
  for await (const records of scanRecords(side.volume)) {
    throwIfAborted(signal)
    if (window.leftCount === 0) break
    await claimRecords(side, records, window)
  }
  for (const [start, end] of window.unclaimed()) {
    throwIfAborted(signal)
    await visitUse(side, start, end, (from, to, isUsed) => window.claim(isUsed ? 'other' : 'free', from, to - from))
  }
}

/** Claim the blocks of files. A promise for each file would take longer than all else. */
async function claimRecords(side: Side, records: InodeWindow, window: OwnerWindow): Promise<void> {
  const { superblock } = side
  const { numbers, bytes, places } = records
  const unsure: number[] = []
  let name: ExtBlockClass = 'fileData'
  const onData = (start: number, length: number) => window.claim(name, start, length)
  const onAttributes = (block: number) => window.claim('attributes', block)
  for (let i = 0; i < numbers.length; i++) {
    const [number, at] = [numbers[i]!, places[i]!]
    if (!isNameable(side, number)) continue
    const type = readHalf(bytes, at) >>> 12 === 4 ? 'directory' : 'file'
    name = classOfFile(side, { number, type, flags: readWord(bytes, at + 0x20) })
    const isAll = visitRecord(superblock, bytes, at, { onData, onAttributes })
    if (!isAll) unsure.push(i)
  }
  for (const i of unsure) await claimInode(side, parseExtInode(superblock, numbers[i]!, bytes, places[i]!), window)
}
