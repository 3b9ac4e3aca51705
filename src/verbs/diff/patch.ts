import { printablePath } from '../../bytes/escape.js'
import { indexOfByte, latin1Text } from '../../bytes/fast.js'
import { diffLines, type LineChange } from '../../bytes/line-diff.js'
import type { ExtChange, ExtFileSystem } from '../../filesystems/ext/index.js'
import { type ExtInode, extInodeFlags, hasBit } from '../../formats/ext/index.js'

/** How the content of a file changed. */
export interface FilePatch {
  /** `large`: one of the files has more than 1 MiB. `encrypted`: one of them cannot be read without its key. */
  readonly kind: 'text' | 'binary' | 'large' | 'encrypted'
  /** In the unified format, each byte as one character; empty unless the kind is text. */
  readonly text: string
}

const maxLength = 2 ** 20
const contextLines = 3

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

/** Format the changes in the unified format of diff. @param names  of the two files */
export function unifiedText(old: string, now: string, names: readonly [old: string, now: string]): string {
  const [before, after] = [linesOf(old), linesOf(now)]
  const hunks = hunksOf(diffLines(before, after))
  if (hunks.length === 0) return ''
  return `--- ${names[0]}\n+++ ${names[1]}\n${hunks.map((hunk) => hunkText(hunk, before, after)).join('')}`
}

/** Lines with their newlines. */
function linesOf(text: string): string[] {
  const lines: string[] = []
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline + 1
    lines.push(text.slice(at, end))
    at = end
  }
  return lines
}

/** Put changes together whose context touches. */
function hunksOf(changes: readonly LineChange[]): LineChange[][] {
  const hunks: LineChange[][] = []
  for (const change of changes) {
    const last = hunks[hunks.length - 1]
    const isNear = last !== undefined && change.oldStart - last[last.length - 1]!.oldEnd <= 2 * contextLines
    if (isNear) last.push(change)
    else hunks.push([change])
  }
  return hunks
}

function hunkText(hunk: readonly LineChange[], before: readonly string[], after: readonly string[]): string {
  const [first, last] = [hunk[0]!, hunk[hunk.length - 1]!]
  const lead = Math.min(contextLines, first.oldStart)
  const [oldStart, newStart] = [first.oldStart - lead, first.newStart - lead]
  const oldEnd = Math.min(before.length, last.oldEnd + contextLines)
  const newEnd = last.newEnd + oldEnd - last.oldEnd
  const lines: string[] = []
  const add = (mark: string, text: readonly string[]) => {
    for (const line of text)
      lines.push(`${mark}${line}${line.endsWith('\n') ? '' : '\n\\ No newline at end of file\n'}`)
  }
  let at = oldStart
  for (const change of hunk) {
    add(' ', before.slice(at, change.oldStart))
    add('-', before.slice(change.oldStart, change.oldEnd))
    add('+', after.slice(change.newStart, change.newEnd))
    at = change.oldEnd
  }
  add(' ', before.slice(at, oldEnd))
  return `@@ -${placeOf(oldStart, oldEnd)} +${placeOf(newStart, newEnd)} @@\n${lines.join('')}`
}

/** The first line, from 1, and the count unless it is 1. An empty stretch has the line before it. */
function placeOf(start: number, end: number): string {
  const count = end - start
  return count === 1 ? `${start + 1}` : `${count === 0 ? start : start + 1},${count}`
}
