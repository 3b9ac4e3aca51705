import type { NumberSet } from '../../../bytes/number-set.js'
import { throwIfAborted } from '../../../errors.js'
import { type ExtInode, isExtInodeRight, parseExtInode } from '../../../formats/ext/index.js'
import { type InodeWindow, scanRecords } from '../inode-table.js'
import { visitBlocks } from './block-classes.js'
import { visitRecord } from './record-places.js'
import { hasOwnBlocks, type Side } from './side.js'

/** Find the inodes that have any of the blocks: data, a part of the map, or extended attributes. */
export async function findOwners(side: Side, blocks: NumberSet, signal?: AbortSignal): Promise<ExtInode[]> {
  const owners: ExtInode[] = []
  let isAny = false
  const onData = (start: number, length: number) => {
    isAny ||= blocks.hasAny(start, start + length)
  }
  const visitor = { onData, onAttributes: (block: number) => onData(block, 1) }
  for await (const window of scanRecords(side.volume)) {
    throwIfAborted(signal)
    const { numbers, bytes, places } = window
    for (let i = 0; i < numbers.length; i++) {
      isAny = false
      const isAll = visitRecord(side.superblock, bytes, places[i]!, visitor)
      if (!isAny && (isAll || !(await hasAnyByMap(side, window, i, blocks)))) continue
      const inode = await ownerAt(side, window, i)
      if (hasOwnBlocks(side, inode)) owners.push(inode)
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

async function hasAnyByMap(side: Side, window: InodeWindow, i: number, blocks: NumberSet): Promise<boolean> {
  const inode = parseExtInode(side.superblock, window.numbers[i]!, window.bytes, window.places[i]!)
  let isAny = false
  const look = (start: number, length = 1) => {
    isAny ||= blocks.hasAny(start, start + length)
  }
  await visitBlocks(side, inode, { onData: look, onMap: look, onAttributes: () => {} })
  return isAny
}
