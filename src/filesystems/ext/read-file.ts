import { latin1Text } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../formats/ext/index.js'
import { attributesInInode } from './attributes.js'
import { damagedExt } from './findings.js'
import { checkSize, isFastLink } from './map/map-file.js'
import { readBlocks } from './read-blocks.js'
import type { ExtVolume } from './volume.js'

/** The longest target of a symbolic link, as in Linux. */
const maxLinkLength = 4096

/** Read the content of a file. @returns  how many bytes there are, at most as many as `target` has */
export async function readFile(
  volume: ExtVolume,
  inode: ExtInode,
  offset: number,
  target: Uint8Array,
): Promise<number> {
  assertOffset(offset)
  assertReadable(inode)
  checkSize(volume, inode)
  const length = Math.max(0, Math.min(target.length, inode.size - offset))
  if (length === 0) return 0
  if (hasBit(inode.flags, extInodeFlags.inlineData)) {
    const content = await readInline(volume, inode)
    target.set(content.subarray(offset, offset + length))
    return length
  }
  await readBlocks(volume, inode, offset, target.subarray(0, length))
  return length
}

function assertOffset(offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0) return
  throw new RangeError(`offset: expected a whole number from 0, got ${offset}`)
}

function assertReadable(inode: ExtInode): void {
  if (!hasBit(inode.flags, extInodeFlags.encrypted)) return
  throw new UmlcowError('FS_UNSUPPORTED', `the content of inode ${inode.number} is encrypted`, {
    details: { inode: inode.number },
  })
}

/** The two parts of inline data. */
export interface InlineParts {
  /** The map of the inode. */
  readonly first: Uint8Array
  /** The value of the attribute `system.data`. */
  readonly second: Uint8Array
}

/** Find the parts of inline data. */
export async function inlineParts(volume: ExtVolume, inode: ExtInode): Promise<InlineParts> {
  const attributes = await attributesInInode(volume, inode)
  const second = attributes.find(({ name }) => latin1Text(name) === 'system.data')?.value ?? new Uint8Array(0)
  return { first: inode.map, second }
}

async function readInline(volume: ExtVolume, inode: ExtInode): Promise<Uint8Array> {
  const { first, second } = await inlineParts(volume, inode)
  const content = new Uint8Array(first.length + second.length)
  content.set(first)
  content.set(second, first.length)
  if (inode.size > content.length) throw damagedExt(`inode ${inode.number} has less inline data than its size`)
  return content.subarray(0, inode.size)
}

/** Read the target of a symbolic link. */
export async function readLinkTarget(volume: ExtVolume, inode: ExtInode): Promise<Uint8Array> {
  if (inode.type !== 'symlink') throw new TypeError(`inode ${inode.number} is no symbolic link`)
  assertReadable(inode)
  if (inode.size === 0 || inode.size > maxLinkLength) {
    throw damagedExt(`inode ${inode.number} is a symbolic link of ${inode.size} bytes`)
  }
  if (isFastLink(volume, inode)) return inode.map.slice(0, inode.size)
  const target = new Uint8Array(inode.size)
  await readFile(volume, inode, 0, target)
  return target
}
