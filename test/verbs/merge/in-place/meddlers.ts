import { hasCode } from '../../../../src/errors.js'
import { editHeader, parseCowHeader } from '../../../../src/formats/cow/index.js'
import type { ForceWord } from '../../../../src/machine/findings.js'
import { mergeBySteps } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { abandonMerge } from '../../../../src/verbs/merge/in-place/unfinished/abandon.js'
import { resumeMerge } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { rebaseUnsafe } from '../../../../src/verbs/rebase.js'
import type { ModelDisk } from '../../../support/model-disk.js'
import { openedByKernel, overlayBytes, readThrough } from './kernel-rule.js'
import { dyingFiles, type Mishap } from './mishaps.js'
import { makeScene, type Scene } from './scene.js'
import { type MergeCase, optionsOf } from './story.js'

// Somebody meddles with the files of a killed merge before it is resumed. Whatever he does, the bytes that S1 shows must
// be somewhere afterwards, and no kernel may show other ones.

/** Where S1 is afterwards, and over which file its content is to be read. */
interface Meddled {
  readonly path: string
  readonly backing: string
}

export type Meddler = (scene: Scene) => Promise<Meddled>

const other = '/x/other'

async function moveAway({ disk: { files }, backing }: Scene): Promise<Meddled> {
  await files.link('/s/S1', '/x/S1')
  await files.unlink('/s/S1')
  return { path: '/x/S1', backing }
}

async function replaceByCopy({ disk, backing }: Scene): Promise<Meddled> {
  disk.putFile('/s/copy', disk.readFile('/s/S1'))
  await disk.files.rename('/s/copy', '/s/S1')
  return { path: '/s/S1', backing }
}

/** Not by umlcow, which refuses. */
async function rebaseByHand({ disk }: Scene): Promise<Meddled> {
  const store = await disk.files.open('/s/S1', 'readWrite')
  const header = parseCowHeader(disk.readFile('/s/S1'), { fileSize: store.size })
  await store.write(0, editHeader(header, { backingPath: Buffer.from(other), mtime: disk.mtimeSeconds(other) }))
  await store.close()
  return { path: '/s/S1', backing: other }
}

async function rebaseByVerb({ disk, backing }: Scene): Promise<Meddled> {
  try {
    await rebaseUnsafe('/s/S1', other, { files: disk.files, force: ['mtime', 'size', 'in-use'] })
  } catch (error) {
    if (!hasCode(error, 'UNFINISHED_MERGE')) throw error
    return { path: '/s/S1', backing }
  }
  // Journal and marker are two files: between them only a resume notices, and refuses.
  if (disk.exists(`${backing}.umlcow-merging`)) throw new Error('rebase changed a sibling that a merge keeps')
  return { path: '/s/S1', backing: other }
}

/** An overlay on another name of the backing file is merged meanwhile. */
export function mergeByOtherName(mishap: Mishap): Meddler {
  return async (scene) => {
    const { disk, backing } = scene
    const files = mishap(disk.files, scene)
    try {
      await mergeBySteps('/o/V', { files, force: ['siblings', 'mtime'] }, protocol)
    } catch (error) {
      if (!hasCode(error, 'UNFINISHED_MERGE')) throw error
    }
    return { path: '/s/S1', backing }
  }
}

export const meddlers: Readonly<Record<string, Meddler>> = {
  'moved away': moveAway,
  'replaced by a copy': replaceByCopy,
  'rebased by hand': rebaseByHand,
  'rebased by umlcow': rebaseByVerb,
}

const meddledCase: MergeCase = {
  name: 'meddled',
  seed: 77,
  siblings: true,
  apart: true,
  sectors: 6,
  virtualSize: 36_864,
}

export interface MeddleOptions {
  /** So many effects lie between one kill and the next. */
  readonly every: number
  /** Leaves the guard of `--resume` out. */
  readonly force?: readonly ForceWord[]
  /** What V holds after it was merged by the other name is there in the end. */
  readonly keepsV?: boolean
}

/** Kill the merge before one effect after another, meddle, resume; where that is refused, abandon. */
export async function checkMeddled(
  meddle: Meddler,
  options: MeddleOptions,
): Promise<{ kills: number; refused: number; violations: string[] }> {
  const report = { kills: 0, refused: 0, violations: [] as string[] }
  for (let effects = 0; ; effects += options.every) {
    const scene = await preparedScene()
    const from = scene.disk.log.length
    const isDead = () => scene.disk.log.length >= from + effects
    const files = dyingFiles(scene.disk.files, isDead)
    const merge = mergeBySteps(scene.paths.get('O')!, { ...optionsOf(scene, meddledCase), files }, protocol)
    const isWhole = await merge.then(() => true).catch(() => false)
    if (isWhole) return report
    if (!scene.disk.exists('/o/O.umlcow-journal')) continue
    report.kills++
    const found = await checkAfter(scene, meddle, options, report)
    report.violations.push(...found.map((one) => `killed before effect ${effects}: ${one}`))
  }
}

async function preparedScene(): Promise<Scene> {
  const scene = await makeScene(meddledCase)
  const { disk, backing, old, oldMtime, virtualSize } = scene
  disk.putFile(other, old, { mtime: oldMtime })
  await disk.files.link(backing, '/o/second-name')
  const sectors = new Map([[3, new Uint8Array(512).fill(7)]])
  const bytes = overlayBytes({ version: 3, virtualSize, mtime: oldMtime - 500, backingPath: '/o/second-name', sectors })
  disk.putFile('/o/V', bytes, { mtime: oldMtime })
  disk.syncEverything()
  return scene
}

async function checkAfter(
  scene: Scene,
  meddle: Meddler,
  { force }: MeddleOptions,
  report: { refused: number },
): Promise<string[]> {
  const { disk, backing, content, old } = scene
  const phase = JSON.parse(disk.readFile('/o/O.umlcow-journal').toString()).phase as string
  const shown = content.get('S1')!
  const { path, backing: over } = await meddle(scene)
  const problems = lost(disk, { path, backing: over }, shown).map((one) => `meddling itself: ${one}`)
  const options = { files: disk.files, siblingsIn: ['/s'], force }
  const refusal = await resumeMerge('/o/O', options).then(
    () => null,
    (error: Error) => error,
  )
  if (refusal !== null) {
    report.refused++
    if (!hasCode(refusal, 'SIBLING_CHANGED')) problems.push(`resume failed: ${refusal.message}`)
    if (phase !== 'preparing') problems.push(`resume was refused in phase ${phase}`)
    if (!disk.readFile(backing).equals(old)) problems.push('the resume that refused has changed the backing file')
    await abandonMerge('/o/O', options)
    if (!disk.readFile(backing).equals(old)) problems.push('abandoning was not harmless')
    if (openedByKernel(disk, path, over) === null) problems.push('after abandoning, S1 is not opened')
  } else if (!disk.readFile(backing).equals(content.get('O')!)) {
    problems.push('the backing file is not what it should have become')
  }
  return [...problems, ...lost(disk, { path, backing: over }, shown)]
}

function lost(disk: ModelDisk, { path, backing }: Meddled, shown: Buffer): string[] {
  const isRight = readThrough(disk.readFile(path), disk.readFile(backing)).equals(shown)
  return isRight ? [] : ['what S1 showed is gone']
}
