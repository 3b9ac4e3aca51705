import { hasCode } from '../../errors.js'
import {
  type ExtInode,
  extInodeSeed,
  extReadOnlyCompatible,
  hasBit,
  isOrphanBlockRight,
  parseOrphanBlock,
} from '../../formats/ext/index.js'
import { damagedExt, ExtFindings } from './findings.js'
import { readInodes } from './inode-table.js'
import { mapFile } from './map/map-file.js'
import { type ExtVolume, openVolume } from './volume.js'

/** Orphans that are listed, at most. */
const maxOrphans = 1000

/** Names in one message. */
const maxNamed = 10

/**
 * List the inodes whose deletion or truncation did not finish, and add a finding about them.
 *
 * No file that has a name depends on the list: damage in it is a finding, never an error.
 */
export async function listOrphans({ image, superblock, findings }: ExtVolume): Promise<number[]> {
  const orphans = new Set<number>()
  const hasFile = superblock.orphanFileInode !== 0
  const isFileUsed = hasFile && hasBit(superblock.readOnlyCompatible, extReadOnlyCompatible.orphansPresent)
  if (superblock.lastOrphan === 0 && !isFileUsed) return []
  const volume = openVolume(image, superblock, new ExtFindings('report'))
  try {
    await walkList(volume, orphans)
    if (isFileUsed) await readOrphanFile(volume, orphans)
  } catch (error) {
    if (!hasCode(error, 'FS_DAMAGED')) throw error
    findings.add({ kind: 'orphan', message: 'the list of orphans is damaged' })
  }
  const found = [...orphans].slice(0, maxOrphans)
  if (found.length > 0) findings.add({ kind: 'orphan', message: messageOf(found) })
  return found
}

function messageOf(orphans: readonly number[]): string {
  const more = orphans.length - maxNamed
  const named = orphans.slice(0, maxNamed).join(', ')
  const list = more > 0 ? `${named} and ${more} more` : named
  return `the deletion or truncation of open files did not finish: inode${orphans.length === 1 ? '' : 's'} ${list}`
}

/** Each orphan has the number of the next one in place of its time of deletion. */
async function walkList(volume: ExtVolume, orphans: Set<number>): Promise<void> {
  let number = volume.superblock.lastOrphan
  while (number !== 0 && orphans.size < maxOrphans) {
    if (number < volume.superblock.firstInode || orphans.has(number)) throw damagedExt('its list of orphans')
    const [inode] = (await readInodes(volume, [number])) as [ExtInode]
    orphans.add(number)
    number = inode.dtime
  }
}

async function readOrphanFile(volume: ExtVolume, orphans: Set<number>): Promise<void> {
  const { orphanFileInode, checksumSeed, inodeCount } = volume.superblock
  const [file] = (await readInodes(volume, [orphanFileInode])) as [ExtInode]
  const seed = checksumSeed === null ? null : extInodeSeed(checksumSeed, file.number, file.generation)
  for await (const extents of mapFile(volume, file)) {
    for (const { physical, length } of extents) {
      if (physical === null) continue
      for (let block = physical; block < physical + length && orphans.size < maxOrphans; block++) {
        const bytes = await volume.block(block)
        const inodes = parseOrphanBlock(bytes)
        if (inodes === null || (seed !== null && !isOrphanBlockRight(bytes, block, seed))) {
          throw damagedExt('its orphan file')
        }
        for (const inode of inodes) if (inode <= inodeCount) orphans.add(inode)
      }
    }
  }
}
