import type { ModelDisk } from '../../../support/model-disk.js'
import { openedByKernel, readThrough, seeHeader } from './kernel-rule.js'
import type { OverlayName, Scene } from './scene.js'
import type { Seen, Story } from './story.js'

/** Look at a disk, and note what is wrong before anybody does anything about it. */
export function look(story: Story, disk: ModelDisk, prefix = Number.POSITIVE_INFINITY): Seen {
  const { scene, merged } = story
  const base = disk.readFile(scene.backing)
  const baseIs = base.equals(scene.old) ? 'old' : base.equals(merged) ? 'new' : 'mixed'
  const problems: string[] = []
  const journal = readJson(disk, `${scene.paths.get('O')}.umlcow-journal`, problems)
  const marker = readJson(disk, `${scene.backing}.umlcow-merging`, problems)
  const [hasJournal, hasMarker] = [journal !== null, marker !== null]
  if (baseIs === 'mixed' && !story.abandoned) {
    if (!hasJournal || !hasMarker) problems.push('the backing file is neither old nor new, and nobody is told')
    if (!isPatchwork(base, scene.old, merged)) problems.push('a sector of the backing file is neither old nor new')
  }
  if (hasMarker && !hasJournal) problems.push('a marker without a journal')
  if (hasMarker && (marker as { overlay: unknown }).overlay !== scene.paths.get('O')) problems.push('a wrong marker')
  if (baseIs !== 'new' && story.final !== null && disk.mtimeSeconds(scene.backing) === story.final) {
    problems.push('the backing file has its final mtime and not its final content')
  }
  const content = new Map(story.content)
  const begun = hasJournal || hasMarker || baseIs !== 'old' || disk.mtimeSeconds(scene.backing) !== scene.oldMtime
  for (const [name, path] of scene.paths) {
    const isTorn = story.torn && !begun && name !== 'T' && name !== 'U' && !isSynced(story, name, prefix)
    if (isTorn) content.set(name, readThrough(disk.readFile(path), base))
    problems.push(...readsRight(story, disk, base, name, content))
  }
  const undo = story.which.backup ? openedByKernel(disk, scene.undo, scene.backing) : null
  if (undo !== null && !readThrough(undo, base).equals(scene.old)) problems.push('the undo overlay lies')
  const goal = baseIs === 'old' && isUncommitted(scene, disk) ? content.get('O')! : merged
  return { disk, base, baseIs, prefix, hasJournal, hasMarker, content, goal, problems }
}

function readJson(disk: ModelDisk, path: string, problems: string[]): unknown {
  if (!disk.exists(path)) return null
  const text = disk.readFile(path).toString()
  try {
    return JSON.parse(text)
  } catch {
    problems.push(`${path} cannot be read`)
    return {}
  }
}

function isPatchwork(base: Buffer, old: Buffer, merged: Buffer): boolean {
  if (base.length !== old.length) return false
  for (let start = 0; start < base.length; start += 512) {
    const sector = base.subarray(start, start + 512)
    if (!sector.equals(old.subarray(start, start + 512)) && !sector.equals(merged.subarray(start, start + 512))) {
      return false
    }
  }
  return true
}

/** Whether the merge has synced an overlay before the power failed. */
function isSynced({ scene, disk, from }: Story, name: OverlayName, prefix: number): boolean {
  const inode = scene.inodes.get(name)
  return disk.log.slice(from, prefix).some((effect) => effect.kind === 'syncFile' && effect.inode === inode)
}

/** The overlays of which guests' last writes have been synced by then. */
export function syncedOnes(story: Story, prefix: number): string[] {
  return [...story.scene.paths.keys()].filter((name) => isSynced(story, name, prefix))
}

function readsRight(
  { scene }: Story,
  disk: ModelDisk,
  base: Buffer,
  name: OverlayName,
  content: ReadonlyMap<OverlayName, Buffer>,
): string[] {
  const path = scene.paths.get(name)!
  const opened = openedByKernel(disk, path, scene.backing)
  if (opened === null) return []
  // Of T nobody knows what it should read; U may be opened as long as nothing was changed.
  if ((name === 'T' || name === 'U') && !base.equals(scene.old)) return [`${name} is opened`]
  if (name === 'T') return []
  return readThrough(opened, base).equals(content.get(name)!) ? [] : [`${name} is opened and reads wrong`]
}

function isUncommitted(scene: Scene, disk: ModelDisk): boolean {
  const path = scene.paths.get('O')!
  return disk.exists(path) && seeHeader(disk.readFile(path))?.mtime === scene.oldMtime
}
