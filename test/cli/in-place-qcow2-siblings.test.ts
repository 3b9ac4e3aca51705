import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { createQcow2 } from '../../src/verbs/create-qcow2.js'
import { umlcow } from '../support/command.js'
import { expectPairMerged, keepsDirectory, refusalCodes } from './in-place-scene.js'
import { expectPlainFailure, makeScene } from './scene.js'

async function sceneWithQcow2(relative: boolean) {
  const scene = makeScene()
  const qcow2 = path.join(scene.directory, 'vm.qcow2')
  const pathStyle = { kind: relative ? 'relative' : 'absolute' } as const
  await createQcow2(qcow2, { backing: scene.backing, backingFormat: 'raw', pathStyle })
  return { ...scene, qcow2 }
}

describe('a qcow2 overlay on the backing file', () => {
  it.each([true, false])('is named and refused, and nothing changes; relative path: %s', async (relative) => {
    const scene = await sceneWithQcow2(relative)
    keepsDirectory(scene.directory)
    for (const verb of [['merge', '-d'], ['commit'], ['merge', '-d', '--keep-siblings']]) {
      const outcome = umlcow([...verb, scene.cow])
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr).toContain(`is the backing file of the qcow2 overlay ${scene.qcow2} too`)
      expect(outcome.stderr).toContain('umlcow cannot keep qcow2 overlays')
    }
    const moo = umlcow(['moo', '-d', scene.cow])
    expectPlainFailure(moo, 1)
    expect(moo.stderr).toContain(`qcow2 overlay ${scene.qcow2} too`)
    expect(refusalCodes(['merge', '-d', scene.cow])).toEqual(['SIBLINGS'])
  })

  it('is left with --force=siblings, and a warning names it', async () => {
    const scene = await sceneWithQcow2(true)
    const before = readFileSync(scene.qcow2)
    const outcome = umlcow(['merge', '-d', '--force=siblings', scene.cow])
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toContain(`${scene.qcow2}: shows other data now`)
    expectPairMerged(scene)
    expect(readFileSync(scene.qcow2).equals(before)).toBe(true)
  })

  it('is none when it stands alone or has another backing file', async () => {
    const scene = makeScene()
    const at = (name: string) => path.join(scene.directory, name)
    writeFileSync(at('other'), Buffer.alloc(4096))
    await createQcow2(at('alone.qcow2'), { size: 65_536 })
    await createQcow2(at('on-other.qcow2'), { backing: at('other'), backingFormat: 'raw' })
    expect(umlcow(['merge', '-d', scene.cow])).toMatchObject({ status: 0, stderr: '' })
    expectPairMerged(scene)
  })
})
