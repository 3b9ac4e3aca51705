import { NumberSet } from '../../bytes/number-set.js'
import type { ExtGroup, ExtSuperblock } from '../../formats/ext/index.js'
import { extGroupPlace, parseExtGroup } from '../../formats/ext/index.js'
import type { Image } from '../../images/image.js'
import { cachePieces, type PieceAt } from '../../images/piece-cache.js'
import { damagedExt, type ExtFindings } from './findings.js'

/** Reads up to this size go through the cache: small files often lie beside one another. */
const maxCachedRead = 16 * 1024

/** Bytes of a piece of data: 16 blocks of 4 KiB. */
const dataPieceLength = 64 * 1024

/**
 * Bytes of a piece of metadata, unless a block is longer: 64 inodes. Longer pieces would save little where all is read,
 * and cost memory and time where one inode of thousands is.
 */
const minPieceLength = 16 * 1024

/** Metadata in memory, bytes. */
const cachedMetadata = 4 * 2 ** 20

/** An image, and the superblock in it. */
type ExtPlace = Pick<ExtVolume, 'image' | 'superblock'>

/** What all parts of the reader share: the image, its caches and the findings. */
export interface ExtVolume {
  readonly image: Image
  readonly superblock: ExtSuperblock
  readonly findings: ExtFindings
  /** Bitmaps whose checksums were compared. */
  readonly checkedBitmaps: NumberSet
  /** Get the cached bytes of a block of metadata. Nothing changes them. */
  block(block: number): Uint8Array | Promise<Uint8Array>
  /** Get the descriptor of a group. */
  group(number: number): ExtGroup | Promise<ExtGroup>
  /** Read data of files. @param offset  bytes from the start of the file system */
  readData(offset: number, target: Uint8Array): Promise<void>
}

/** Open the parts of an image that the reader needs, once its superblock is known. */
export function openVolume(image: Image, superblock: ExtSuperblock, findings: ExtFindings): ExtVolume {
  const { block, readData } = openCaches(image, superblock)
  const group = groupReader(superblock, findings, block)
  return { image, superblock, findings, checkedBitmaps: new NumberSet(), block, group, readData }
}

function openCaches(image: Image, superblock: ExtSuperblock): Pick<ExtVolume, 'block' | 'readData'> {
  const { blockSize } = superblock
  const pieceLength = Math.max(minPieceLength, blockSize)
  const bytes = { read: (offset: number, target: Uint8Array) => image.read(offset, target), length: image.virtualSize }
  const metadata = cachePieces({ ...bytes, pieceSize: pieceLength, maxPieces: cachedMetadata / pieceLength })
  const data = cachePieces({ ...bytes, pieceSize: dataPieceLength, maxPieces: 32 })
  const blocksPerPiece = pieceLength / blockSize
  return {
    block(number) {
      checkBlocks({ superblock, image }, number, 1)
      const rest = number % blocksPerPiece
      const cut = (piece: Uint8Array) => piece.subarray(rest * blockSize, (rest + 1) * blockSize)
      const piece = metadata((number - rest) / blocksPerPiece)
      return piece instanceof Uint8Array ? cut(piece) : piece.then(cut)
    },
    readData: (offset, target) =>
      target.length > maxCachedRead ? image.read(offset, target) : readThrough(data, offset, target),
  }
}

function groupReader(superblock: ExtSuperblock, findings: ExtFindings, block: ExtVolume['block']): ExtVolume['group'] {
  let lastGroup: ExtGroup | null = null
  return (number) => {
    if (lastGroup?.number === number) return lastGroup
    const place = extGroupPlace(superblock, number)
    const parse = (bytes: Uint8Array): ExtGroup => {
      const parsed = parseExtGroup(superblock, number, bytes, place.offset)
      if (!parsed.isChecksumRight) findings.damage('checksum', `wrong checksum of the descriptor of group ${number}`)
      lastGroup = parsed
      return parsed
    }
    const bytes = block(place.block)
    return bytes instanceof Uint8Array ? parse(bytes) : bytes.then(parse)
  }
}

/** Descriptors that are read between two turns of the caller. */
const groupsPerBatch = 1024

/** Read all group descriptors, with a wait only where the cache lacks a block. */
export async function* scanGroups(volume: ExtVolume): AsyncGenerator<readonly ExtGroup[]> {
  const { groupCount } = volume.superblock
  for (let first = 0; first < groupCount; first += groupsPerBatch) {
    const groups: ExtGroup[] = []
    for (let number = first; number < Math.min(groupCount, first + groupsPerBatch); number++) {
      const group = volume.group(number)
      groups.push(group instanceof Promise ? await group : group)
    }
    yield groups
  }
}

async function readThrough(get: PieceAt, offset: number, target: Uint8Array): Promise<void> {
  let done = 0
  while (done < target.length) {
    const at = (offset + done) % dataPieceLength
    const piece = await get((offset + done - at) / dataPieceLength)
    const length = Math.min(target.length - done, piece.length - at)
    target.set(piece.subarray(at, at + length), done)
    done += length
  }
}

/** @throws UmlcowError FS_DAMAGED unless the file system and the image have these blocks */
export function checkBlocks({ superblock, image }: ExtPlace, block: number, length: number): void {
  const { blockCount, blockSize } = superblock
  const end = block + length
  if (!(block > 0 && end <= blockCount)) throw damagedExt(`it names block ${end - 1}, and has ${blockCount}`)
  if (end * blockSize > image.virtualSize) throw damagedExt(`block ${end - 1} is beyond the end of the image`)
}
