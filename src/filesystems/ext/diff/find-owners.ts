import type { NumberSet } from '../../../bytes/number-set.js'
import { readHalf, readWord } from '../../../bytes/words.js'
import { throwIfAborted } from '../../../errors.js'
import {
  type ExtInode,
  extIncompatible,
  extInodeFlags,
  hasBit,
  isExtInodeRight,
  parseExtInode,
} from '../../../formats/ext/index.js'
import { type InodeWindow, scanRecords } from '../inode-table.js'
import { visitBlocks } from './block-classes.js'
import type { Side } from './side.js'

// Millions of inodes: nothing here makes an object or a promise for each one, unless its map has blocks of its own.

const mapAt = 0x28
const directCount = 12
const maxWritten = 32768

/** Find the inodes with a link that have any of the blocks: data, a part of the map, or extended attributes. */
export async function findOwners(side: Side, blocks: NumberSet, signal?: AbortSignal): Promise<ExtInode[]> {
  const owners: ExtInode[] = []
  for await (const window of scanRecords(side.volume)) {
    throwIfAborted(signal)
    const { numbers, bytes, places } = window
    for (let i = 0; i < numbers.length; i++) {
      const answer = hasAnyOf(side, bytes, places[i]!, blocks)
      if (answer === false || (answer === null && !(await hasAnyByMap(side, window, i, blocks)))) continue
      const inode = await ownerAt(side, window, i)
      if (inode.type !== null && inode.linkCount > 0) owners.push(inode)
    }
  }
  return owners
}

/** Parse a record that is right. What to do about another one, the file system knows. */
async function ownerAt({ files, superblock }: Side, { numbers, bytes, places }: InodeWindow, i: number) {
  const [number, at] = [numbers[i]!, places[i]!]
  return isExtInodeRight(superblock, number, bytes, at)
    ? parseExtInode(superblock, number, bytes, at)
    : files.inode(number)
}

/** Look at what the record itself says. @returns  null when the map goes on elsewhere */
function hasAnyOf({ superblock }: Side, bytes: Uint8Array, at: number, blocks: NumberSet): boolean | null {
  const attributes =
    readWord(bytes, at + 0x68) +
    (hasBit(superblock.incompatible, extIncompatible.wide) ? readHalf(bytes, at + 0x76) * 2 ** 32 : 0)
  if (attributes !== 0 && blocks.has(attributes)) return true
  const type = readHalf(bytes, at) >>> 12
  const flags = readWord(bytes, at + 0x20)
  // Files, directories and symbolic links have blocks. A link of up to 59 bytes is in the record.
  const hasMap = type === 8 || type === 4 || (type === 10 && readWord(bytes, at + 4) >= 60)
  if (!hasMap || hasBit(flags, extInodeFlags.inlineData)) return false
  return hasBit(flags, extInodeFlags.extents)
    ? hasAnyInTree(bytes, at + mapAt, blocks)
    : hasAnyInPointers(bytes, at + mapAt, blocks)
}

function hasAnyInTree(bytes: Uint8Array, at: number, blocks: NumberSet): boolean | null {
  // Depth above 0.
  if (readHalf(bytes, at + 6) !== 0) return null
  const count = Math.min(4, readHalf(bytes, at + 2))
  for (let entry = at + 12; entry < at + 12 * (count + 1); entry += 12) {
    const length = readHalf(bytes, entry + 4)
    const start = readWord(bytes, entry + 8) + readHalf(bytes, entry + 6) * 2 ** 32
    if (blocks.hasAny(start, start + (length > maxWritten ? length - maxWritten : length))) return true
  }
  return false
}

function hasAnyInPointers(bytes: Uint8Array, at: number, blocks: NumberSet): boolean | null {
  for (let i = 0; i < directCount; i++) {
    const block = readWord(bytes, at + i * 4)
    if (block !== 0 && blocks.has(block)) return true
  }
  const goesOn = readWord(bytes, at + 48) !== 0 || readWord(bytes, at + 52) !== 0 || readWord(bytes, at + 56) !== 0
  return goesOn ? null : false
}

async function hasAnyByMap(side: Side, window: InodeWindow, i: number, blocks: NumberSet): Promise<boolean> {
  const inode = parseExtInode(side.superblock, window.numbers[i]!, window.bytes, window.places[i]!)
  let isAny = false
  const look = (start: number, length = 1) => {
    isAny ||= blocks.hasAny(start, start + length)
  }
  await visitBlocks(side, inode, { onData: look, onMap: look, onAttributes: () => {} })
  return isAny
}
