import { latin1Text } from '../../bytes/fast.js'
import {
  type ExtInode,
  extInodeFlags,
  hasBit,
  isAttributeBlockRight,
  parseAttributeBlock,
  parseInodeAttributes,
  type StoredAttribute,
  toProgramAccessList,
} from '../../formats/ext/index.js'
import type { ExtendedAttribute } from '../../formats/manifest/index.js'
import { damagedExt } from './findings.js'
import { inodeRecord, readInodes } from './inode-table.js'
import { readBlocks } from './read-blocks.js'
import type { ExtVolume } from './volume.js'

/** Linux takes values of 64 KiB. Bytes of all values of an inode, at most. */
const maxTotal = 2 ** 20

/** Attributes that the kernel keeps for itself: inline data, and the keys of encryption. */
const hidden: readonly string[] = ['system.data', 'encryption.']
const accessLists: readonly string[] = ['system.posix_acl_access', 'system.posix_acl_default']

/** Read the extended attributes as programs see them. */
export async function readAttributes(volume: ExtVolume, inode: ExtInode): Promise<ExtendedAttribute[]> {
  const inInode = await attributesInInode(volume, inode)
  const stored = inode.attributeBlock === 0 ? inInode : [...inInode, ...(await attributesInBlock(volume, inode))]
  const attributes: ExtendedAttribute[] = []
  const known = new Set<string>()
  let total = 0
  for (const attribute of stored) {
    const name = latin1Text(attribute.name)
    // The kernel looks into the inode first.
    if (known.has(name) || hidden.some((prefix) => name.startsWith(prefix))) continue
    known.add(name)
    total += attribute.valueLength
    if (total > maxTotal) throw damagedAttributes(inode)
    const value = attribute.value ?? (await readValue(volume, inode, attribute))
    attributes.push({ name: attribute.name, value: accessLists.includes(name) ? listOf(volume, inode, value) : value })
  }
  return attributes
}

/** Parse the attributes between the fields of an inode and its end. */
export async function attributesInInode(volume: ExtVolume, inode: ExtInode): Promise<StoredAttribute[]> {
  const { inodeSize } = volume.superblock
  if (inode.extraSize === 0) return []
  const { bytes, at } = await inodeRecord(volume, inode.number)
  const stored = parseInodeAttributes(bytes, at + 128 + inode.extraSize, at + inodeSize)
  if (stored === null) throw damagedAttributes(inode)
  return stored
}

async function attributesInBlock(volume: ExtVolume, inode: ExtInode): Promise<StoredAttribute[]> {
  const { attributeBlock: block } = inode
  const { checksumSeed } = volume.superblock
  const bytes = await volume.block(block)
  if (checksumSeed !== null && !isAttributeBlockRight(bytes, block, checksumSeed)) {
    volume.findings.damage('checksum', `wrong checksum of block ${block}, extended attributes of inode ${inode.number}`)
  }
  const stored = parseAttributeBlock(bytes)
  if (stored === null) throw damagedAttributes(inode)
  return stored
}

/** Read a value that has an inode of its own. */
async function readValue(volume: ExtVolume, owner: ExtInode, attribute: StoredAttribute): Promise<Uint8Array> {
  const [inode] = (await readInodes(volume, [attribute.valueInode])) as [ExtInode]
  const isValue = hasBit(inode.flags, extInodeFlags.attributeInode) && inode.size === attribute.valueLength
  if (!isValue) throw damagedAttributes(owner)
  const value = new Uint8Array(attribute.valueLength)
  await readBlocks(volume, inode, 0, value)
  return value
}

function listOf(volume: ExtVolume, inode: ExtInode, stored: Uint8Array): Uint8Array {
  const list = toProgramAccessList(stored)
  if (list === null) volume.findings.damage('attribute', `the ACL of inode ${inode.number} cannot be right`)
  return list ?? stored
}

function damagedAttributes(inode: ExtInode): Error {
  return damagedExt(`the extended attributes of inode ${inode.number} cannot be right`)
}
