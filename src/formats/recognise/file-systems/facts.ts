import { indexOfByte } from '../../../bytes/fast.js'
import type { FileSystemState } from '../../ext/index.js'

/** The words of blkid. */
export type FileSystemType =
  | 'ext2'
  | 'ext3'
  | 'ext4'
  | 'jbd'
  | 'xfs'
  | 'btrfs'
  | 'swap'
  | 'iso9660'
  | 'squashfs'
  | 'vfat'
  | 'crypto_LUKS'
  | 'LVM2_member'
  | 'simg'

/** What the signature of a file system, or of something else that fills a disk, shows. */
export interface FileSystemFacts {
  readonly type: FileSystemType
  /** Bytes, which need not be text; null when it has none. */
  readonly label: Uint8Array | null
  /** As blkid prints it; null when it has none. */
  readonly uuid: string | null
  /** Null for types that umlcow recognises, but whose files it does not read. */
  readonly state: readonly FileSystemState[] | null
  /** Why umlcow cannot read it, for people; null when it can, and for types whose files it does not read. */
  readonly problem: string | null
}

/** Facts about a type that umlcow recognises and does not read. */
export function notRead(
  type: FileSystemType,
  { label = null, uuid = null }: { label?: Uint8Array | null; uuid?: string | null } = {},
): FileSystemFacts {
  return { type, label, uuid, state: null, problem: null }
}

const space = 0x20

/** The label in a field that NULs or spaces fill; null for an empty one. */
export function labelIn(field: Uint8Array): Uint8Array | null {
  const nul = indexOfByte(field, 0)
  let end = nul < 0 ? field.length : nul
  while (end > 0 && field[end - 1] === space) end--
  return end === 0 ? null : field.subarray(0, end)
}
