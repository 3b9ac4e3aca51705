import './quick.js'
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { localHostFiles } from '../../../../src/machine/host-files.js'
import { refuseUnfinished } from '../../../../src/overlays/unfinished/find-merge-around.js'
import { check } from '../../../../src/verbs/check/index.js'
import { createOverlay } from '../../../../src/verbs/create.js'
import { mergeBySteps, mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { mergeStatus } from '../../../../src/verbs/merge/in-place/unfinished/abandon.js'
import { merge } from '../../../../src/verbs/merge/index.js'
import { rebaseUnsafe } from '../../../../src/verbs/rebase.js'
import { resetOverlay } from '../../../../src/verbs/reset.js'
import { overlayBytes } from './kernel-rule.js'
import { dyingFiles } from './mishaps.js'
import { makeScene, type Scene } from './scene.js'
import { type MergeCase, optionsOf } from './story.js'

// A sibling that an unfinished merge keeps has no journal beside it. It is found by its header all the same.

const which: MergeCase = { name: 'kept', seed: 5, siblings: true, apart: true, backup: true, virtualSize: 40 * 1024 }

/** Where a merge stops: just before this step. */
async function stoppedBefore(step: string, scene: Scene): Promise<void> {
  const at = protocol.findIndex(({ name }) => name === step)
  let isDead = false
  const run = async () => {
    isDead = true
  }
  const steps = [...protocol.slice(0, at), { name: 'die', invariant: '', run }, ...protocol.slice(at)]
  const files = dyingFiles(scene.disk.files, () => isDead)
  await mergeBySteps(scene.paths.get('O')!, { ...optionsOf(scene, which), files }, steps).catch(() => {})
}

function digests({ disk }: Scene): string[] {
  return [...disk.snapshot()].map(([name, { bytes }]) => `${name} ${createHash('sha256').update(bytes).digest('hex')}`)
}

async function stopped(step: string): Promise<Scene> {
  const scene = await makeScene(which)
  const { disk, backing, virtualSize } = scene
  disk.putFile('/x/other', disk.readFile(backing), { mtime: scene.oldMtime })
  disk.putFile('/x/V', overlayBytes({ version: 3, virtualSize, mtime: scene.oldMtime, backingPath: '/x/other' }))
  await stoppedBefore(step, scene)
  return scene
}

describe.each(['invalidateBacking', 'writeSectors'])('a sibling that a merge pins (stopped before %s)', (step) => {
  test.each(['S1', 'S2', 'undo'] as const)('every verb that writes refuses it: %s', async (name) => {
    const scene = await stopped(step)
    const { files } = scene.disk
    const path = name === 'undo' ? scene.undo : scene.paths.get(name)!
    const before = digests(scene)
    const all: Record<string, () => Promise<unknown>> = {
      rebase: () => rebaseUnsafe(path, '/x/other', { files, force: ['mtime', 'in-use', 'size'] }),
      reset: () => resetOverlay(path, { files, force: ['in-use'] }),
      create: () => createOverlay(path, '/x/other', { files, overwrite: true }),
      'merge onto it': () => merge('/x/V', path, { files, overwrite: true }),
      'merge -d': () => mergeInPlace(path, { files, force: ['mtime', 'siblings', 'in-use'] }),
      'merge -d --delete -b': () => mergeInPlace(path, { files, backing: '/x/other', afterwards: 'delete' }),
      'backup over it': () => refuseUnfinished(files, path),
    }
    for (const [verb, run] of Object.entries(all)) {
      await expect(run(), verb).rejects.toMatchObject({
        code: 'UNFINISHED_MERGE',
        message: expect.stringContaining('/o/O'),
        hint: 'umlcow merge --resume /o/O',
      })
    }
    const checked = await check(path, { files, repair: true, noBacking: true })
    expect(checked.findings).toContainEqual(expect.objectContaining({ code: 'UNFINISHED_MERGE', severity: 'damage' }))
    expect((await mergeStatus(path, { files })).merge?.overlayPath.toString()).toBe('/o/O')
    expect(digests(scene)).toEqual(before)
  })

  test('one that no merge pins is not refused', async () => {
    const scene = await stopped(step)
    const { files } = scene.disk
    for (const name of ['T', 'U'] as const) {
      await rebaseUnsafe(scene.paths.get(name)!, '/x/other', { files, force: ['mtime'] })
    }
  })
})

test('a sibling without anything unfinished, and what is no overlay, pass', async () => {
  const { disk, paths } = await makeScene(which)
  for (const path of [...paths.values(), '/b/root_fs', '/no/such/file']) await refuseUnfinished(disk.files, path)
  await refuseUnfinished(localHostFiles, '/dev/null')
})
