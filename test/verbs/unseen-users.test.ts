import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { HostFiles } from '../../src/machine/host-files.js'
import { unseenLocks, unseenOpenFiles } from '../../src/machine/processes/file-users.js'
import { writeBytes } from '../../src/overlays/write-bytes.js'
import { openDirectorySource } from '../../src/trees/kinds/directory/source.js'
import { exportTree } from '../../src/trees/transfer/export-tree.js'
import { check } from '../../src/verbs/check/index.js'
import { createOverlay } from '../../src/verbs/create.js'
import { createRaw } from '../../src/verbs/create-raw.js'
import { mergeBySteps, mergeInPlace } from '../../src/verbs/merge/in-place/merge-in-place.js'
import { protocol } from '../../src/verbs/merge/in-place/step-order.js'
import { abandonMerge } from '../../src/verbs/merge/in-place/unfinished/abandon.js'
import { resumeMerge } from '../../src/verbs/merge/in-place/unfinished/resume.js'
import { merge } from '../../src/verbs/merge/index.js'
import { rebaseUnsafe } from '../../src/verbs/rebase.js'
import { resetOverlay } from '../../src/verbs/reset.js'
import { failingHost } from '../support/failing-host.js'
import { generatePair, writePair } from '../support/generate.js'
import { temporaryDirectory } from '../support/paths.js'

const others = 'open files of other users'
const warning = `cannot see every process that may have the files open; not looked at: ${others}`

/** The local files by a quick clock, of whose users nobody is seen, and some could not be looked at. */
function seeing(unseen: readonly string[]): HostFiles {
  const { files } = failingHost(Number.POSITIVE_INFINITY)
  return { ...files, users: async (facts) => facts.map(() => ({ users: [], unseen })) }
}

interface Scene {
  readonly directory: string
  readonly cow: string
  readonly backing: string
  /** A file that is to be replaced. */
  readonly there: string
}

function makeScene(): Scene {
  const directory = temporaryDirectory()
  const pair = generatePair(3, { layout: 'v3', sectorSize: 512, virtualSize: 20 * 4096, pattern: 'runs' })
  const { overlayPath: cow, backingPath: backing } = writePair(pair, directory, { headerPath: 'absolute' })
  const there = path.join(directory, 'there')
  writeFileSync(there, 'old')
  return { directory, cow, backing, there }
}

type Run = (
  scene: Scene,
  files: HostFiles,
  force?: readonly 'in-use'[],
) => Promise<{ readonly warnings: readonly string[] }>

function contents({ cow, backing }: Scene): string {
  return [cow, backing].map((file) => readFileSync(file, 'latin1')).join()
}

/** A merge that stops when it has begun to write, by steps that fail there. */
async function cutShort({ cow }: Scene): Promise<void> {
  const steps = protocol.map((step) => {
    if (step.name !== 'setFinalMtime') return step
    return { ...step, run: async () => Promise.reject(new Error('killed')) }
  })
  const files = seeing([])
  await expect(mergeBySteps(cow, { files }, steps)).rejects.toThrow('killed')
}

const inPlace: readonly (readonly [string, Run])[] = [
  ['mergeInPlace', ({ cow }, files, force) => mergeInPlace(cow, { files, force })],
  ['mergeInPlace, dry run', ({ cow }, files, force) => mergeInPlace(cow, { files, force, dryRun: true })],
  ['mergeInPlace with delete', ({ cow }, files, force) => mergeInPlace(cow, { files, force, afterwards: 'delete' })],
  [
    'resumeMerge',
    async (scene, files, force) => {
      await cutShort(scene)
      return resumeMerge(scene.cow, { files, force })
    },
  ],
  [
    'abandonMerge',
    async (scene, files, force) => {
      await cutShort(scene)
      return abandonMerge(scene.cow, { files, force })
    },
  ],
  ['resetOverlay', ({ cow }, files, force) => resetOverlay(cow, { files, force })],
  ['rebaseUnsafe', ({ cow, backing }, files, force) => rebaseUnsafe(cow, backing, { files, force })],
]

const making: readonly (readonly [string, Run])[] = [
  ['merge', ({ cow, there }, files) => merge(cow, `${there}-new`, { files })],
  ['merge over a file', ({ cow, there }, files) => merge(cow, there, { files, overwrite: true })],
  [
    'createOverlay over a file',
    ({ backing, there }, files) => createOverlay(there, backing, { files, overwrite: true }),
  ],
  ['createRaw over a file', ({ there }, files) => createRaw(there, 10, { files, overwrite: true })],
  ['check with repair', ({ cow }, files) => check(cow, { files, repair: true })],
  [
    'a picture over a file',
    ({ there }, files) => writeBytes(there, Buffer.of(1), { files, inputs: [], overwrite: true }),
  ],
  [
    'exportTree over a file',
    ({ there }, files) =>
      exportTree(openDirectorySource(temporaryDirectory()), there, { files, format: 'tar', overwrite: true }),
  ],
]

describe('users that could not be looked at', () => {
  test.each([...inPlace, ...making])('%s tells of them once', async (_name, run) => {
    const { warnings } = await run(makeScene(), seeing([others]))
    expect(warnings.filter((one) => one.includes('not looked at'))).toEqual([warning])
  })

  test.each([...inPlace, ...making])('%s says nothing where all was looked at', async (_name, run) => {
    const { warnings } = await run(makeScene(), seeing([]))
    expect(warnings.filter((one) => one.includes('not looked at'))).toEqual([])
  })

  test.each([
    ['create', ({ backing, there }: Scene, files: HostFiles) => createOverlay(`${there}-new`, backing, { files })],
    ['check', ({ cow }: Scene, files: HostFiles) => check(cow, { files })],
  ])('%s, which replaces nothing, looks for nobody and says nothing', async (_name, run) => {
    expect((await run(makeScene(), seeing([others]))).warnings).toEqual([])
  })
})

describe('without any /proc', () => {
  const blind = [unseenOpenFiles, unseenLocks]

  test.each(inPlace)('%s refuses with IN_USE, and goes on with force', async (name, run) => {
    const scene = makeScene()
    const before = contents(scene)
    const isLater = ['resumeMerge', 'abandonMerge'].includes(name)
    await expect(run(scene, seeing(blind))).rejects.toMatchObject({
      code: 'IN_USE',
      hint: expect.stringContaining('--force=in-use'),
    })
    if (!isLater) expect(contents(scene) === before).toBe(true)
    const { warnings } = await run(makeScene(), seeing(blind), ['in-use'])
    expect(warnings[0]).toContain(`${unseenOpenFiles}; ${unseenLocks}`)
  })

  test.each(making)('%s goes on', async (_name, run) => {
    const { warnings } = await run(makeScene(), seeing(blind))
    expect(warnings[0]).toContain('not looked at')
  })

  test.each([[[unseenLocks]], [['processes of other pid namespaces', unseenLocks]]])(
    '%j unseen is not all: a merge in place goes on',
    async (unseen) => {
      const scene = makeScene()
      expect((await mergeInPlace(scene.cow, { files: seeing(unseen) })).changed).toBe(true)
    },
  )
})
