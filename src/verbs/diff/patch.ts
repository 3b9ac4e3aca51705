import { printablePath } from '../../bytes/escape.js'
import { indexOfByte, latin1Text } from '../../bytes/fast.js'
import type { ExtChange, ExtFileSystem } from '../../filesystems/ext/index.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../formats/ext/index.js'
import { unifiedText } from './unified-text.js'

/** How the content of a file changed. */
export interface FilePatch {
  /** `large`: one of the files has more than 1 MiB. `encrypted`: one of them cannot be read without its key. */
  readonly kind: 'text' | 'binary' | 'large' | 'encrypted'
  /** In the unified format, each byte as one character; empty unless the kind is text. */
  readonly text: string
}

const maxLength = 2 ** 20

/** Compare the lines of a file in both file systems. @returns  null when its content is the same, or it has none */
export async function patchOf(old: ExtFileSystem, now: ExtFileSystem, change: ExtChange): Promise<FilePatch | null> {
  const { oldType, newType, oldSize, newSize, ranges, status, path, oldPath } = change
  const isNewOrGone = status === 'added' || status === 'deleted' || status === 'type'
  const [hasOld, hasNew] = [oldType === 'file', newType === 'file']
  if (!hasOld && !hasNew) return null
  if (!isNewOrGone && ranges.length === 0) return null
  if (Math.max(oldSize ?? 0, newSize ?? 0) > maxLength) return { kind: 'large', text: '' }
  const oldFile = hasOld ? await old.inode(change.oldInode!) : null
  const newFile = hasNew ? await now.inode(change.newInode!) : null
  if (isEncrypted(oldFile) || isEncrypted(newFile)) return { kind: 'encrypted', text: '' }
  const [before, after] = [await contentOf(old, oldFile), await contentOf(now, newFile)]
  // As git and diff do.
  if (indexOfByte(before, 0) >= 0 || indexOfByte(after, 0) >= 0) return { kind: 'binary', text: '' }
  const names = [
    hasOld ? `a/${shown(oldPath ?? path)}` : '/dev/null',
    hasNew ? `b/${shown(path)}` : '/dev/null',
  ] as const
  return { kind: 'text', text: unifiedText(latin1Text(before), latin1Text(after), names) }
}

function shown(path: Uint8Array): string {
  return latin1Text(new TextEncoder().encode(printablePath(path)))
}

function isEncrypted(inode: ExtInode | null): boolean {
  return inode !== null && hasBit(inode.flags, extInodeFlags.encrypted)
}

async function contentOf(files: ExtFileSystem, inode: ExtInode | null): Promise<Uint8Array> {
  if (inode === null) return new Uint8Array(0)
  const target = new Uint8Array(inode.size)
  return target.subarray(0, await files.read(inode, 0, target))
}
