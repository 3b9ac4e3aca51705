import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandPath, type Outcome, umlcow } from '../support/command.js'
import { canBeOtherUser, otherUser } from '../support/other-user.js'
import { expectMerged, expectPairMerged, keepsDirectory, refusalCodes, sceneWithSiblings } from './in-place-scene.js'
import { stopMerge } from './killed.js'
import { expectPlainFailure, holdOpen, makeScene, namesIn } from './scene.js'

describe('files that somebody has open', () => {
  it.each([
    ['the overlay, to write', 'cow', 'r+'],
    ['the overlay, to read', 'cow', 'r'],
    ['the backing file, to write', 'backing', 'r+'],
    ['the backing file, to read', 'backing', 'r'],
  ] as const)('%s: refused, and the process is named', async (_what, file, flags) => {
    const scene = makeScene()
    keepsDirectory(scene.directory)
    const pid = await holdOpen(scene[file], flags)
    const outcome = umlcow(['merge', '-d', scene.cow])
    expectPlainFailure(outcome, 4)
    const force = '--force=in-use goes on: the result may then be half old, half new'
    expect(outcome.stderr).toBe(
      `umlcow: ${scene[file]}: is in use by process ${pid}\numlcow: halt the guest first\numlcow: ${force}\n`,
    )
    expect(refusalCodes(['commit', scene.cow])).toEqual(['IN_USE'])
  })

  it('a sibling that is to be kept: refused; --force=in-use goes on', async () => {
    const scene = sceneWithSiblings()
    const pid = await holdOpen(scene.siblings[0]!)
    const outcome = umlcow(['merge', '-d', '--keep-siblings', scene.cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`${scene.siblings[0]}: is in use by process ${pid}`)
    expectMerged(['merge', '-d', '--keep-siblings', '--force=in-use', scene.cow])
    expectPairMerged(scene)
  })

  it('by another merge, which goes on undisturbed', async () => {
    for (const place of ['preparing', 'writing'] as const) {
      const scene = sceneWithSiblings()
      const [sibling = ''] = scene.siblings
      const first = await stopMerge(scene.cow, place, { keepSiblings: true })
      const before = namesIn(scene.directory)
      for (const verb of [
        ['merge', '-d', scene.cow],
        ['commit', '--keep-siblings', sibling],
      ]) {
        expect(refusalCodes(verb)).toEqual(['IN_USE'])
      }
      // Its lock is taken only while the merge works on it: the journal keeps others off.
      expect(refusalCodes(['reset', sibling])).toEqual(['UNFINISHED_MERGE'])
      for (const verb of ['--resume', '--abandon']) {
        expect(refusalCodes(['merge', verb, scene.backing])).toEqual(['UNFINISHED_MERGE'])
        const outcome = umlcow(['merge', verb, scene.cow])
        expect(outcome.stderr).toContain(`process ${first.pid} is merging ${scene.cow} into ${scene.backing}\n`)
      }
      expect(umlcow(['merge', '--status', scene.backing]).stdout).toContain(`process ${first.pid} is merging`)
      expect(namesIn(scene.directory)).toEqual(before)
      expect(await first.goOn()).toBe(0)
      expectPairMerged(scene)
    }
  })
})

describe.runIf(canBeOtherUser())('as a user who may not do all', () => {
  function asOther(args: readonly string[]): Outcome {
    const done = spawnSync(process.execPath, [commandPath, ...args], { ...otherUser, cwd: '/', encoding: 'utf8' })
    return { status: done.status, signal: done.signal, stdout: done.stdout, stderr: done.stderr }
  }

  it('a backing file of another owner is refused, though it could be written', () => {
    const scene = makeScene()
    chmodSync(scene.directory, 0o777)
    for (const file of [scene.cow, scene.backing]) chmodSync(file, 0o666)
    keepsDirectory(scene.directory)
    const outcome = asOther(['merge', '-d', '--json', '--force=siblings,in-use,mtime,room', scene.cow])
    expectPlainFailure(outcome, 4)
    expect(JSON.parse(outcome.stdout).error.code).toBe('NOT_OWNER')
  })

  it('a file or directory that cannot be read may be a sibling', () => {
    const scene = makeScene()
    const inside = (name: string) => path.join(scene.directory, name)
    chmodSync(scene.directory, 0o777)
    for (const file of [scene.cow, scene.backing]) chmodSync(file, 0o666)
    copyFileSync(scene.cow, inside('secret'))
    mkdirSync(inside('closed'), { mode: 0o700 })
    for (const name of ['secret']) chmodSync(inside(name), 0o600)
    keepsDirectory(scene.directory)
    const outcome = asOther(['merge', '-d', '--json', '--keep-siblings', '--siblings-in', scene.directory, scene.cow])
    expectPlainFailure(outcome, 4)
    const { findings } = JSON.parse(outcome.stdout).error.details
    expect(findings.filter((one: string) => one.startsWith('SIBLING_UNKNOWN'))).toHaveLength(2)
    for (const name of ['secret', 'closed']) expect(outcome.stderr).toContain(`${inside(name)}: cannot tell whether`)
  })
})
