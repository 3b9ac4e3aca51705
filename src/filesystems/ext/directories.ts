import { printablePath } from '../../bytes/escape.js'
import { indexOfByte } from '../../bytes/fast.js'
import {
  type DirectoryRecord,
  type ExtInode,
  extIncompatible,
  extInodeFlags,
  extInodeSeed,
  hasBit,
  isDirectoryBlockRight,
  parseDirectoryBlock,
} from '../../formats/ext/index.js'
import type { ExtName, ExtNameFilter } from './ext-file-system.js'
import { damagedExt } from './findings.js'
import { mapFile } from './map/map-file.js'
import { inlineParts } from './read-file.js'
import type { ExtVolume } from './volume.js'

const slash = 0x2f
const dot = 0x2e

/** Inline directories have the number of the parent here. */
const parentLength = 4

/** List the names of a directory, an array for each block. */
export async function* listDirectory(
  volume: ExtVolume,
  directory: ExtInode,
  isWanted: ExtNameFilter = isAny,
): AsyncGenerator<readonly ExtName[]> {
  if (directory.type !== 'directory') throw new TypeError(`inode ${directory.number} is no directory`)
  if (hasBit(directory.flags, extInodeFlags.inlineData)) {
    yield* listInline(volume, directory, isWanted)
    return
  }
  const { blockSize, blockCount } = volume.superblock
  const to = Math.ceil(directory.size / blockSize)
  let read = 0
  for await (const extents of mapFile(volume, directory, { to })) {
    for (const { logical, physical, length } of extents) {
      if (physical === null) continue
      // A block belongs to one place of one directory. Without the limit, a map could repeat one for hours.
      read += length
      if (read > blockCount) throw damagedDirectory(directory)
      for (let block = physical; block < physical + length; block++) {
        const found = volume.block(block)
        const bytes = found instanceof Promise ? await found : found
        verify(volume, directory, bytes, block)
        const isStart = logical === 0 && block === physical
        yield namesIn(volume, directory, [{ bytes, from: 0, isStart }], isWanted)
      }
    }
  }
}

const isAny = () => true

function verify(
  { superblock: { checksumSeed }, findings }: ExtVolume,
  { number, generation, flags }: ExtInode,
  bytes: Uint8Array,
  block: number,
): void {
  if (checksumSeed === null) return
  const seed = extInodeSeed(checksumSeed, number, generation)
  if (isDirectoryBlockRight(bytes, seed, hasBit(flags, extInodeFlags.indexed))) return
  findings.damage('checksum', `wrong checksum of block ${block}, directory inode ${number}`)
}

/** Records of a directory: all bytes from `from` on. */
interface RecordBytes {
  readonly bytes: Uint8Array
  readonly from: number
  /** The records begin with `.` and `..`. Inline directories do not have them. */
  readonly isStart: boolean
}

function namesIn(
  volume: ExtVolume,
  directory: ExtInode,
  parts: readonly RecordBytes[],
  isWanted: ExtNameFilter,
): DirectoryRecord[] {
  const hasTypes = hasBit(volume.superblock.incompatible, extIncompatible.fileTypes)
  const found = parts.map(({ bytes, from, isStart }) =>
    parseDirectoryBlock(bytes, from, bytes.length, { hasTypes, isWanted, isStart }),
  )
  if (!found.every((records) => records !== null)) throw damagedDirectory(directory)
  return possibleNames(volume, directory, found.length === 1 ? found[0]! : found.flat())
}

/** Leave out names that no program can ask for. They would lead a careless reader to other files. */
function possibleNames(volume: ExtVolume, directory: ExtInode, records: DirectoryRecord[]): DirectoryRecord[] {
  // Encrypted names are any bytes.
  if (hasBit(directory.flags, extInodeFlags.encrypted)) return records
  return records.filter(({ name }) => {
    const isPossible = indexOfByte(name, slash) < 0 && indexOfByte(name, 0) < 0 && !isDots(name)
    if (!isPossible) {
      volume.findings.damage('name', `the name ${printablePath(name)} in directory inode ${directory.number}`)
    }
    return isPossible
  })
}

/** True for `.` and `..`, which lead elsewhere than the directory says. */
function isDots(name: Uint8Array): boolean {
  return name.length <= 2 && name.every((byte) => byte === dot)
}

async function* listInline(
  volume: ExtVolume,
  directory: ExtInode,
  isWanted: ExtNameFilter,
): AsyncGenerator<readonly ExtName[]> {
  const { first, second } = await inlineParts(volume, directory)
  const parts = [
    { bytes: first, from: parentLength, isStart: false },
    { bytes: second, from: 0, isStart: false },
  ]
  yield namesIn(volume, directory, parts, isWanted)
}

function damagedDirectory(directory: ExtInode): Error {
  return damagedExt(`the directory at inode ${directory.number} cannot be right`)
}
