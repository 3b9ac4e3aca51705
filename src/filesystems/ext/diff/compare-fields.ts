import { compareBytes, latin1Text } from '../../../bytes/fast.js'
import { type ExtInode, type ExtTime, extUserFlags } from '../../../formats/ext/index.js'
import type { ExtendedAttribute } from '../../../formats/manifest/index.js'
import type { ExtDiffOptions, ExtField } from './ext-differences.js'
import type { Comparison, Side } from './side.js'

/** List the facts that differ between two inodes. */
export async function changedFields(
  { old: before, now: after }: Comparison,
  old: ExtInode,
  now: ExtInode,
  { atime = false }: ExtDiffOptions,
): Promise<ExtField[]> {
  const differs: readonly (readonly [ExtField, boolean])[] = [
    ['mode', old.mode !== now.mode],
    ['uid', old.uid !== now.uid],
    ['gid', old.gid !== now.gid],
    ['project', (old.projectId ?? 0) !== (now.projectId ?? 0)],
    // That of a directory says how its names are stored.
    ['size', old.type !== 'directory' && old.size !== now.size],
    ['mtime', !isSameTime(old.mtime, now.mtime)],
    ['atime', atime && !isSameTime(old.atime, now.atime)],
    ['ctime', atime && !isSameTime(old.ctime, now.ctime)],
    ['links', old.linkCount !== now.linkCount],
    ['flags', (old.flags & extUserFlags) !== (now.flags & extUserFlags)],
    ['device', old.device?.major !== now.device?.major || old.device?.minor !== now.device?.minor],
    ['attributes', !isSameList(await attributesOf(before, old), await attributesOf(after, now))],
  ]
  return differs.filter(([, isChanged]) => isChanged).map(([field]) => field)
}

async function attributesOf({ files }: Side, inode: ExtInode): Promise<readonly ExtendedAttribute[]> {
  return inode.hasAttributes ? files.attributes(inode) : []
}

function isSameTime(a: ExtTime, b: ExtTime): boolean {
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds
}

function isSameList(a: readonly ExtendedAttribute[], b: readonly ExtendedAttribute[]): boolean {
  if (a.length !== b.length) return false
  const values = new Map(a.map(({ name, value }) => [latin1Text(name), value]))
  return b.every(({ name, value }) => {
    const other = values.get(latin1Text(name))
    return other !== undefined && compareBytes(other, 0, other.length, value, 0, value.length) === 0
  })
}
