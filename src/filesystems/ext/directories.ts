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
import type { ExtName } from './ext-file-system.js'
import { damagedExt } from './findings.js'
import { mapFile } from './map/map-file.js'
import { inlineParts } from './read-file.js'
import type { ExtVolume } from './volume.js'

const slash = 0x2f

/** Inline directories have the number of the parent here. */
const parentLength = 4

/** List the names of a directory, an array for each block. */
export async function* listDirectory(volume: ExtVolume, directory: ExtInode): AsyncGenerator<readonly ExtName[]> {
  if (directory.type !== 'directory') throw new TypeError(`inode ${directory.number} is no directory`)
  if (hasBit(directory.flags, extInodeFlags.inlineData)) {
    yield* listInline(volume, directory)
    return
  }
  const { blockSize, blockCount } = volume.superblock
  const to = Math.ceil(directory.size / blockSize)
  let read = 0
  for await (const extents of mapFile(volume, directory, { to })) {
    for (const { physical, length } of extents) {
      if (physical === null) continue
      // A block belongs to one place of one directory. Without the limit, a map could repeat one for hours.
      read += length
      if (read > blockCount) throw damagedDirectory(directory)
      for (let block = physical; block < physical + length; block++) {
        const found = volume.block(block)
        yield namesIn(volume, directory, found instanceof Promise ? await found : found, block)
      }
    }
  }
}

function namesIn(volume: ExtVolume, directory: ExtInode, bytes: Uint8Array, block: number): DirectoryRecord[] {
  const { checksumSeed, incompatible } = volume.superblock
  if (checksumSeed !== null) {
    const seed = extInodeSeed(checksumSeed, directory.number, directory.generation)
    const isIndexed = hasBit(directory.flags, extInodeFlags.indexed)
    if (!isDirectoryBlockRight(bytes, seed, isIndexed)) {
      volume.findings.damage('checksum', `wrong checksum of block ${block}, directory inode ${directory.number}`)
    }
  }
  const records = parseDirectoryBlock(bytes, 0, bytes.length, hasBit(incompatible, extIncompatible.fileTypes))
  if (records === null) throw damagedDirectory(directory)
  return possibleNames(volume, directory, records)
}

/** Leave out names that no program can ask for. They would lead a careless reader to other files. */
function possibleNames(volume: ExtVolume, directory: ExtInode, records: DirectoryRecord[]): DirectoryRecord[] {
  // Encrypted names are any bytes.
  if (hasBit(directory.flags, extInodeFlags.encrypted)) return records
  return records.filter(({ name }) => {
    const isPossible = indexOfByte(name, slash) < 0 && indexOfByte(name, 0) < 0
    if (!isPossible) {
      volume.findings.damage('name', `the name ${printablePath(name)} in directory inode ${directory.number}`)
    }
    return isPossible
  })
}

async function* listInline(volume: ExtVolume, directory: ExtInode): AsyncGenerator<readonly ExtName[]> {
  const { first, second } = await inlineParts(volume, directory)
  const hasTypes = hasBit(volume.superblock.incompatible, extIncompatible.fileTypes)
  const inInode = parseDirectoryBlock(first, parentLength, first.length, hasTypes)
  const inAttribute = parseDirectoryBlock(second, 0, second.length, hasTypes)
  if (inInode === null || inAttribute === null) throw damagedDirectory(directory)
  yield possibleNames(volume, directory, [...inInode, ...inAttribute])
}

function damagedDirectory(directory: ExtInode): Error {
  return damagedExt(`the directory at inode ${directory.number} cannot be right`)
}
