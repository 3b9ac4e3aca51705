import { hasCode, UmlcowError } from '../../../errors.js'
import {
  type ExtInode,
  type ExtSuperblock,
  extInodeFlags,
  isExtentNode,
  type JournalSuperblock,
  parseExtInode,
  parseJournalSuperblock,
} from '../../../formats/ext/index.js'
import { damagedExt } from '../findings.js'
import { readInodes } from '../inode-table.js'
import { mapFile } from '../map/map-file.js'
import type { ExtVolume } from '../volume.js'

/** Most journals are one piece. Memory follows the number of pieces. */
const maxPieces = 2 ** 16

/** The journal of a file system. */
export interface Journal {
  readonly superblock: JournalSuperblock
  /** Find the block of the file system that holds a block of the journal. */
  place(block: number): number
  /** Get the bytes of a block of the journal. */
  block(block: number): Uint8Array | Promise<Uint8Array>
}

/** Blocks of the journal that lie in a row, from `start` on. */
interface Piece {
  readonly start: number
  readonly end: number
  readonly physical: number
}

/**
 * Open the journal of a file system, by its inode, or by the copy of its map in the superblock.
 *
 * @param volume  reports damage: replay may mend it
 * @throws UmlcowError FS_DAMAGED when neither leads to a journal; FS_UNSUPPORTED when umlcow cannot replay it
 */
export async function openJournal(volume: ExtVolume): Promise<Journal> {
  const { superblock } = volume
  if (superblock.journalInode === 0) throw journalUnsupported('the file system has its journal on another device')
  const own = async () => (await readInodes(volume, [superblock.journalInode]))[0] as ExtInode
  const journal = (await tryOpen(volume, own)) ?? (await tryOpen(volume, async () => copiedInode(superblock)))
  if (journal === null) throw damagedExt('its journal cannot be found')
  const { unknownFeatures, isChecksumRight } = journal.superblock
  if (unknownFeatures !== 0) {
    throw journalUnsupported(`the journal of the file system uses unknown features: 0x${unknownFeatures.toString(16)}`)
  }
  if (!isChecksumRight) throw damagedExt('wrong checksum of the superblock of its journal')
  return journal
}

/** Make the error of a journal that umlcow cannot replay. */
export function journalUnsupported(message: string): UmlcowError {
  return new UmlcowError('FS_UNSUPPORTED', `${message}, so umlcow cannot replay it`, {
    hint: 'mount the image once, or read it as it is with "--no-replay"',
  })
}

async function tryOpen(volume: ExtVolume, inodeOf: () => Promise<ExtInode>): Promise<Journal | null> {
  try {
    const inode = await inodeOf()
    return inode.type === 'file' && inode.linkCount > 0 ? await journalAt(volume, inode) : null
  } catch (error) {
    if (!hasCode(error, 'FS_DAMAGED')) throw error
    return null
  }
}

async function journalAt(volume: ExtVolume, inode: ExtInode): Promise<Journal | null> {
  const { blockSize } = volume.superblock
  const pieces = await piecesOf(volume, inode)
  const place = (block: number) => placeIn(pieces, block)
  const superblock = parseJournalSuperblock(await volume.block(place(0)))
  const mapped = pieces[pieces.length - 1]?.end ?? 0
  if (superblock === null || superblock.blockSize !== blockSize || superblock.blockCount > mapped) return null
  return { superblock, place, block: (block) => volume.block(place(block)) }
}

/** List where the blocks are. The journal ends at the first hole. */
async function piecesOf(volume: ExtVolume, inode: ExtInode): Promise<Piece[]> {
  const pieces: Piece[] = []
  for await (const extents of mapFile(volume, inode)) {
    for (const { logical, physical, length } of extents) {
      if (physical === null) return pieces
      pieces.push({ start: logical, end: logical + length, physical })
      if (pieces.length > maxPieces) throw journalUnsupported(`the journal has more than ${maxPieces} pieces`)
    }
  }
  return pieces
}

function placeIn(pieces: readonly Piece[], block: number): number {
  let [from, to] = [0, pieces.length]
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    if (pieces[middle]!.end <= block) from = middle + 1
    else to = middle
  }
  const piece = pieces[from]
  if (piece === undefined) throw damagedExt(`its journal has no block ${block}`)
  return piece.physical + block - piece.start
}

/** Make the inode of the journal from the copy of its map and size in the superblock. */
function copiedInode(superblock: ExtSuperblock): ExtInode {
  const { journalBlocks, journalInode } = superblock
  const map = journalBlocks.subarray(0, 60)
  const record = new Uint8Array(superblock.inodeSize)
  const regularFile = 0x81
  record[0x01] = regularFile
  record[0x1a] = 1
  record[0x22] = isExtentNode(map) ? extInodeFlags.extents / 2 ** 16 : 0
  record.set(map, 0x28)
  record.set(journalBlocks.subarray(60, 64), 0x6c)
  record.set(journalBlocks.subarray(64, 68), 0x04)
  return parseExtInode(superblock, journalInode, record, 0)
}
