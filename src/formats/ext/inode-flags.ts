import { hasBit } from './features.js'

/** Flags of an inode, each a bit. */
export const extInodeFlags = {
  immutable: 0x10,
  appendOnly: 0x20,
  encrypted: 0x800,
  indexed: 0x1000,
  hugeFile: 0x40000,
  extents: 0x80000,
  verity: 0x100000,
  attributeInode: 0x200000,
  inlineData: 0x10000000,
  caseFolded: 0x40000000,
} as const

// Names of all flags, in words for lsattr's letters.  Source: chattr(1), Linux Documentation/filesystems/ext4/inodes.rst
const flagNames: readonly (readonly [bit: number, name: string])[] = [
  [0x1, 'secure-deletion'],
  [0x2, 'undelete'],
  [0x4, 'compressed'],
  [0x8, 'synchronous'],
  [0x10, 'immutable'],
  [0x20, 'append-only'],
  [0x40, 'no-dump'],
  [0x80, 'no-atime'],
  [0x800, 'encrypted'],
  [0x1000, 'indexed'],
  [0x2000, 'afs-magic'],
  [0x4000, 'journaled-data'],
  [0x8000, 'no-tail-merging'],
  [0x10000, 'synchronous-directory'],
  [0x20000, 'top-of-hierarchy'],
  [0x40000, 'huge-file'],
  [0x80000, 'extents'],
  [0x100000, 'verity'],
  [0x200000, 'attribute-value'],
  [0x2000000, 'dax'],
  [0x10000000, 'inline-data'],
  [0x20000000, 'inherit-project'],
  [0x40000000, 'casefold'],
]

/** Flags that say how the file system stores a file. */
const storageFlags = ['indexed', 'afs-magic', 'huge-file', 'extents', 'attribute-value', 'inline-data']

/**
 * Flags that users choose: with chattr, or when they turn on encryption or verity for a file.
 * Source: chattr(1), EXT4_FL_USER_MODIFIABLE in Linux fs/ext4/ext4.h (which has extents, too: chattr +e moves a file),
 * Documentation/filesystems/fscrypt.rst and fsverity.rst
 */
export const extUserFlags = flagNames.reduce(
  (flags, [bit, name]) => (storageFlags.includes(name) ? flags : flags + bit),
  0,
)

/** Name the flags of an inode. A flag without a name is its number, such as `0x400`. */
export function extFlagNames(flags: number): string[] {
  const names: string[] = []
  for (let bit = 1; bit < 2 ** 32; bit *= 2) {
    if (hasBit(flags, bit)) names.push(flagNames.find(([one]) => one === bit)?.[1] ?? `0x${bit.toString(16)}`)
  }
  return names
}
