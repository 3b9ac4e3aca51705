import { mergeBySteps } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { abandonMerge } from '../../../../src/verbs/merge/in-place/unfinished/abandon.js'
import { resumeBySteps } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import type { ModelDisk } from '../../../support/model-disk.js'
import { bootGuest, kernelOpens, openedByKernel, readThrough, seeHeader, suppliedSectors } from './kernel-rule.js'
import { look } from './look.js'
import { countedFiles } from './mishaps.js'
import { drawSector, type OverlayName } from './scene.js'
import { optionsOf, type Seen, type Story } from './story.js'

// What may become of a disk after a power failure: the merge is resumed or abandoned, and guests may write before that.

/** Resume the merge, or where none was begun or it was finished, see to that. */
export async function finish(story: Story, seen: Seen, disk = seen.disk): Promise<string[]> {
  const { which } = story
  if (!seen.hasJournal && seen.baseIs === 'new') return afterSuccess(story, seen, !story.guestsWrote)
  const counted = countedFiles(disk.files)
  const problems: string[] = []
  try {
    if (seen.hasJournal) await resume(story, seen, counted.files)
    else problems.push(...(await mergeAnew(story, seen, counted.files)))
  } catch (error) {
    problems.push(`it failed: ${(error as Error).message}`)
  }
  if (counted.open() > 0) problems.push(`${counted.open()} files or locks are left open`)
  if (problems.length > 0) return problems
  const backup = which.backup === true && seen.hasJournal
  const ended = { ...story, which: { ...which, backup }, content: seen.content, merged: seen.goal, final: null }
  return afterSuccess(ended, look(ended, disk), seen.baseIs === 'old' || !story.guestsWrote)
}

async function resume({ scene, steps }: Story, seen: Seen, files: ModelDisk['files']): Promise<void> {
  // It is found from either file.
  const path = seen.hasMarker && seen.prefix % 2 === 0 ? scene.backing : scene.paths.get('O')!
  await resumeBySteps(path, { files, siblingsIn: scene.siblingsIn }, steps)
}

async function mergeAnew(story: Story, { disk }: Seen, files: ModelDisk['files']): Promise<string[]> {
  const { scene, which, steps } = story
  const kept = (['O', ...scene.siblingNames] as const).map((name) => [name, scene.paths.get(name)!] as const)
  const closed = kept.filter(([, path]) => !kernelOpens(disk, path, scene.backing)).map(([name]) => name)
  if (closed.length > 0) return [`nothing was begun, and the kernel does not open ${closed}`]
  // The undo overlay may be there already. What arrived meanwhile is a sibling, too.
  const options = {
    ...optionsOf(scene, which),
    backup: undefined,
    force: which.arrivalsSeen ? (['siblings'] as const) : [],
  }
  await mergeBySteps(scene.paths.get('O')!, { ...options, files }, steps)
  return []
}

/** What has to hold when a merge is finished. */
export function afterSuccess(story: Story, seen: Seen, isEmptied = true): string[] {
  const { scene, which, merged } = story
  const { disk, base } = seen
  const problems = [...seen.problems]
  if (seen.hasJournal || seen.hasMarker) problems.push('a journal or marker is left')
  if (!base.equals(merged)) problems.push('the backing file is not what it should have become')
  for (const name of scene.siblingNames) problems.push(...isUsable(story, disk, name))
  if (seen.baseIs === 'new' && disk.mtimeSeconds(scene.backing) > disk.files.clock.now() / 1000) {
    problems.push('the backing file is from the future')
  }
  problems.push(...afterwardsProblems(story, seen, isEmptied), ...arrivalProblems(story, disk, base))
  if (which.backup) {
    const undo = openedByKernel(disk, scene.undo, scene.backing)
    if (undo === null || !readThrough(undo, base).equals(scene.old)) {
      problems.push('the undo overlay does not take the merge back')
    }
  }
  return problems
}

function isUsable({ scene }: Story, disk: ModelDisk, name: OverlayName): string[] {
  // That it then reads right was seen before.
  return kernelOpens(disk, scene.paths.get(name)!, scene.backing) ? [] : [`${name} is not opened`]
}

function afterwardsProblems(story: Story, { disk, content }: Seen, isEmptied: boolean): string[] {
  const { scene, which } = story
  const path = scene.paths.get('O')!
  if (which.afterwards === 'delete') return disk.exists(path) ? ['O is still there'] : []
  if (!disk.exists(path)) return ['O is gone']
  const bytes = disk.readFile(path)
  if (which.afterwards === 'leave') {
    if (kernelOpens(disk, path, scene.backing)) return ['O is opened']
    return readThrough(bytes, scene.old).equals(content.get('O')!) ? [] : ['O was not left as it was']
  }
  const problems = isUsable(story, disk, 'O')
  if (which.afterwards !== 'reset' || !isEmptied) return problems
  if (suppliedSectors(bytes).length > 0) problems.push('O was not emptied')
  const { dataOffset, virtualSize } = seeHeader(bytes)!.facts
  if (bytes.length !== dataOffset + virtualSize) problems.push('O has not its full length')
  return problems
}

function arrivalProblems({ scene, arrivals }: Story, disk: ModelDisk, base: Buffer): string[] {
  const lying = arrivals.filter(({ path, content }) => {
    const opened = openedByKernel(disk, path, scene.backing)
    return opened !== null && !readThrough(opened, base).equals(content)
  })
  return lying.map(({ path }) => `${path}, made during the merge, is opened and reads wrong`)
}

/** Give the merge up: whatever the kernel opens then reads right, and it opens what it opened before. */
export async function abandon(story: Story, seen: Seen, disk = seen.disk): Promise<string[]> {
  const { scene } = story
  const counted = countedFiles(disk.files)
  const problems: string[] = []
  try {
    const options = { files: counted.files, siblingsIn: scene.siblingsIn }
    if (seen.hasJournal) await abandonMerge(scene.paths.get('O')!, options)
  } catch (error) {
    return [`it failed: ${(error as Error).message}`]
  }
  if (counted.open() > 0) problems.push(`${counted.open()} files or locks are left open`)
  const ended = { ...story, content: seen.content, final: null, torn: false, abandoned: true }
  const after = look(ended, disk)
  problems.push(...after.problems, ...arrivalProblems(story, disk, after.base))
  if (after.hasJournal || after.hasMarker) problems.push('a journal or marker is left')
  const hasOverlay = disk.exists(scene.paths.get('O')!)
  if (!hasOverlay && after.baseIs !== 'new') problems.push('O is gone, and its changes with it')
  const kept = [...(hasOverlay ? (['O'] as const) : []), ...scene.siblingNames]
  for (const name of kept) problems.push(...isUsable(story, disk, name))
  return problems
}

/**
 * Guests boot on what the kernel opens, and write: to a sector that is theirs already and to a new one.
 *
 * @returns null when the kernel opened nothing
 */
export async function letGuestsWrite(story: Story, seen: Seen): Promise<Story | null> {
  const { scene } = story
  const { disk } = seen
  const names = (['O', 'S1'] as const).filter(
    (name) => scene.paths.has(name) && kernelOpens(disk, scene.paths.get(name)!, scene.backing),
  )
  if (names.length === 0) return null
  const content = new Map(seen.content)
  const limit = scene.sectorLimit
  for (const name of names) {
    const path = scene.paths.get(name)!
    const supplied = new Set(suppliedSectors(disk.readFile(path)).filter((sector) => sector < limit))
    const fresh = Array.from({ length: limit }, (_, sector) => sector).filter((sector) => !supplied.has(sector))
    const chosen = [...supplied].slice(0, 1)
    if (fresh.length > 0) chosen.push(scene.dice.pick(fresh))
    const guest = bootGuest(disk, path)
    await guest.write(new Map(chosen.map((sector) => [sector, drawSector(scene.dice, sector, scene.virtualSize)])))
    await guest.sync()
    content.set(name, readThrough(disk.readFile(path), seen.base))
  }
  return { ...story, content, final: null, torn: false, guestsWrote: true }
}
