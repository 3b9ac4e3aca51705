import './quick.js'
import { linkSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { localHostFiles } from '../../../../src/machine/host-files.js'
import { createOverlay } from '../../../../src/verbs/create.js'
import { mergeBySteps } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import type { InPlaceOptions } from '../../../../src/verbs/merge/in-place/options.js'
import { protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { abandonMerge, mergeStatus } from '../../../../src/verbs/merge/in-place/unfinished/abandon.js'
import { resumeMerge } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { rebaseUnsafe } from '../../../../src/verbs/rebase.js'
import { resetOverlay } from '../../../../src/verbs/reset.js'
import { backingMtimeIn, headerMtime, layOut, makeTemplate, wrongReads } from '../../../support/in-place-scene.js'
import { temporaryDirectory } from '../../../support/paths.js'
import { dyingFiles } from './mishaps.js'

// What was done to the files of a killed merge that looks right and is not.

// Nobody has these files open, and to look for that takes most of the time.
vi.mock('../../../../src/machine/processes/file-users.js', async (original) => ({
  ...(await original<typeof import('../../../../src/machine/processes/file-users.js')>()),
  findUsers: async (facts: readonly unknown[]) => facts.map(() => ({ users: [], unseen: [] })),
}))

const template = makeTemplate(5, { virtualSize: 64 * 1024, siblingCount: 1 })

/** Of version 3, which generated overlays are. */
function setHeaderPath(cow: string, backing: string): void {
  const bytes = readFileSync(cow)
  bytes.fill(0, 32, 32 + 4096).write(backing, 32)
  writeFileSync(cow, bytes)
}

function scene(directory = temporaryDirectory()) {
  const at = (name: string) => path.join(directory, name)
  layOut(template, directory)
  for (const name of ['cow', 'sibling0']) setHeaderPath(at(name), at('root_fs'))
  return { directory, at, siblingBefore: readFileSync(at('sibling0')) }
}

/** Merge, and die before a step. */
async function killBefore(step: string, cow: string, options: InPlaceOptions): Promise<void> {
  let isDead = false
  const run = async () => {
    isDead = true
  }
  const before = protocol.findIndex(({ name }) => name === step)
  const files = dyingFiles(localHostFiles, () => isDead)
  const steps = [...protocol.slice(0, before), { name: 'die', invariant: '', run }, ...protocol.slice(before)]
  await expect(mergeBySteps(cow, { ...options, files }, steps)).rejects.toThrow()
}

/** The same inode, header and all: only the bits tell that nothing was copied into it. */
async function withSiblingPutBack() {
  const made = scene()
  await killBefore('setFinalMtime', made.at('cow'), { keepSiblings: true })
  expect(readFileSync(made.at('sibling0')).equals(made.siblingBefore)).toBe(false)
  writeFileSync(made.at('sibling0'), made.siblingBefore)
  return made
}

function expectRefusedByKernel(directory: string): void {
  expect(wrongReads(template, directory)).toEqual(['sibling0 does not read right'])
  expect(headerMtime(readFileSync(path.join(directory, 'sibling0')))).not.toBe(backingMtimeIn(directory))
}

test('a sibling put back from an older copy, once the backing file was written, is not refreshed but named', async () => {
  const { directory, at, siblingBefore } = await withSiblingPutBack()
  const { siblings, warnings } = await resumeMerge(at('cow'))
  expect(siblings).toEqual([])
  expect(warnings.join()).toContain(`${at('sibling0')}: lacks what the merge copied into it`)
  expect(readFileSync(at('sibling0')).equals(siblingBefore)).toBe(true)
  expectRefusedByKernel(directory)
})

test('nor is it, or called usable, when the merge is given up', async () => {
  const { directory, at } = await withSiblingPutBack()
  const { usable, warnings } = await abandonMerge(at('cow'))
  expect(usable.map(String)).toEqual([at('cow')])
  expect(warnings.join()).toContain('lacks what the merge copied into it')
  expectRefusedByKernel(directory)
})

test('an overlay that is to be deleted and has become the backing file of another is not, when the merge is resumed', async () => {
  const { at } = scene()
  await killBefore('setFinalMtime', at('cow'), { keepSiblings: true, afterwards: 'delete' })
  writeFileSync(at('top'), readFileSync(at('sibling0')))
  setHeaderPath(at('top'), at('cow'))
  await expect(resumeMerge(at('cow'))).rejects.toMatchObject({ code: 'OVERLAY_NEEDED' })
  await resumeMerge(at('cow'), { force: ['siblings'] })
  expect(() => statSync(at('cow'))).toThrow('ENOENT')
})

test('markers that lead to nothing that can be followed do not hide the others from a file with several names', async () => {
  const { directory, at } = scene()
  await killBefore('setFinalMtime', at('cow'), { keepSiblings: true })
  linkSync(at('root_fs'), at('other'))
  writeFileSync(at('file'), '')
  for (const letter of 'abcdefgh') {
    const marker = { kind: 'umlcow merging 1', overlay: `${directory}/file/${letter}` }
    writeFileSync(at(`${letter}.umlcow-merging`), JSON.stringify(marker))
  }
  await expect(createOverlay(at('new'), at('other'))).rejects.toMatchObject({ code: 'UNFINISHED_MERGE' })
})

test('a kept sibling in a jail is protected, also where this host has another file at its path', async () => {
  const jail = temporaryDirectory()
  const inner = path.join(jail, 'images')
  mkdirSync(inner)
  const { at } = scene(inner)
  const elsewhere = path.join(temporaryDirectory(), 'root_fs')
  writeFileSync(elsewhere, readFileSync(at('root_fs')))
  const inJail = path.join(jail, elsewhere)
  mkdirSync(path.dirname(inJail), { recursive: true })
  linkSync(at('root_fs'), inJail)
  for (const name of ['cow', 'sibling0']) setHeaderPath(at(name), elsewhere)
  await killBefore('declareWriting', at('cow'), { keepSiblings: true, backingRoot: jail })
  const unfinished = { code: 'UNFINISHED_MERGE' }
  await expect(resetOverlay(at('sibling0'), { force: ['siblings'] })).rejects.toMatchObject(unfinished)
  await expect(rebaseUnsafe(at('sibling0'), elsewhere, { force: ['mtime'] })).rejects.toMatchObject(unfinished)
  expect((await mergeStatus(at('sibling0'))).merge?.overlayPath.toString()).toBe(at('cow'))
})
