import './quick.js'
import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { UmlcowError } from '../../../../src/errors.js'
import { type HostFiles, type HostPath, localHostFiles } from '../../../../src/machine/host-files.js'
import { refuseUnfinished } from '../../../../src/overlays/unfinished/find-merge-around.js'
import { createOverlay } from '../../../../src/verbs/create.js'
import { mergeBySteps, mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { abandonMerge, mergeStatus } from '../../../../src/verbs/merge/in-place/unfinished/abandon.js'
import { resumeMerge } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { rebaseUnsafe } from '../../../../src/verbs/rebase.js'
import { resetOverlay } from '../../../../src/verbs/reset.js'
import { layOut, makeTemplate } from '../../../support/in-place-scene.js'
import { temporaryDirectory } from '../../../support/paths.js'
import { dyingFiles } from './mishaps.js'

// An unfinished merge whose files are come by under other names, through another mount, moved or copied; and names that
// have no room for a journal.

// Nobody has these files open, and to look for that takes most of the time.
vi.mock('../../../../src/machine/processes/file-users.js', async (original) => ({
  ...(await original<typeof import('../../../../src/machine/processes/file-users.js')>()),
  findUsers: async (facts: readonly unknown[]) => facts.map(() => ({ users: [], unseen: [] })),
}))

const template = makeTemplate(3, { virtualSize: 64 * 1024, siblingCount: 0 })

function scene(names: { cow?: string; backing?: string } = {}) {
  const directory = path.join(temporaryDirectory(), 'images')
  mkdirSync(directory)
  layOut(template, directory)
  const at = (name: string) => path.join(directory, name)
  const { cow = 'cow', backing = 'root_fs' } = names
  renameSync(at('cow'), at(cow))
  renameSync(at('root_fs'), at(backing))
  setHeaderPath(at(cow), at(backing))
  return { directory, at, cow: at(cow), backing: at(backing) }
}

/** Of version 3, which generated overlays are. */
function setHeaderPath(cow: string, backing: string): void {
  const bytes = readFileSync(cow)
  bytes.fill(0, 32, 32 + 4096).write(backing, 32)
  writeFileSync(cow, bytes)
}

/** A merge that is killed before a step, with its page cache left behind. */
async function killed(step: 'copyUpIntoSiblings' | 'setFinalMtime', names = {}) {
  const made = scene(names)
  let isDead = false
  const run = async () => {
    isDead = true
  }
  const before = protocol.findIndex(({ name }) => name === step)
  const files = dyingFiles(localHostFiles, () => isDead)
  const steps = [...protocol.slice(0, before), { name: 'die', invariant: '', run }, ...protocol.slice(before)]
  await expect(mergeBySteps(made.cow, { files }, steps)).rejects.toThrow()
  return made
}

async function errorOf(pending: Promise<unknown>): Promise<UmlcowError> {
  const error = await pending.then(
    () => null,
    (one: unknown) => one,
  )
  expect(error).toBeInstanceOf(UmlcowError)
  return error as UmlcowError
}

function isMerged(backing: string): boolean {
  return readFileSync(backing).equals(Buffer.from(template.merged))
}

test('a merge into a backing file with several names is found by the others, beside the overlay and beside the file', async () => {
  const { at, backing, directory } = await killed('setFinalMtime')
  const far = temporaryDirectory()
  linkSync(backing, at('beside'))
  linkSync(backing, path.join(far, 'far'))
  for (const name of ['beside', path.join(far, 'far')]) {
    const refused = createOverlay(at('new'), path.resolve(directory, name))
    await expect(refused, name).rejects.toMatchObject({ code: 'UNFINISHED_MERGE' })
  }
  expect((await mergeStatus(at('beside'))).merge?.overlayPath.toString()).toBe(at('cow'))
  // Where nothing tells of it, the directories are named.
  const made = await createOverlay(path.join(far, 'new'), path.join(far, 'far'))
  expect(made.warnings).toEqual([
    `${far}/far: has 3 names; umlcow looked for an unfinished merge by another name in ${far} only`,
  ])
  await resumeMerge(at('beside'))
  expect(isMerged(backing)).toBe(true)
  expect(readdirSync(directory).sort()).toEqual(['beside', 'cow', 'root_fs'])
})

test('a merge of an overlay with several names is found by the others', async () => {
  const { at, cow, backing } = await killed('setFinalMtime')
  const far = path.join(temporaryDirectory(), 'far')
  linkSync(cow, at('beside'))
  linkSync(cow, far)
  for (const name of [at('beside'), far]) {
    await expect(resetOverlay(name, { force: ['in-use'] })).rejects.toMatchObject({ code: 'UNFINISHED_MERGE' })
  }
  await resumeMerge(at('beside'))
  expect(isMerged(backing)).toBe(true)
})

test('a backing file with one name costs no look at a directory, an overlay one at its own', async () => {
  const { cow, backing, directory } = scene()
  const listed: string[] = []
  const files: HostFiles = {
    ...localHostFiles,
    names(directory) {
      listed.push(String(directory))
      return localHostFiles.names(directory)
    },
  }
  await refuseUnfinished(files, backing)
  expect(listed).toEqual([])
  await refuseUnfinished(files, cow)
  expect(listed).toEqual([directory])
})

/** The same files once more below `to`; below `from` they are only where `both`. */
function boundElsewhere(from: string, to: string, both: boolean): HostFiles {
  const inside = (place: HostPath) => {
    const text = String(place)
    if (text.startsWith(to)) return from + text.slice(to.length)
    return !both && text.startsWith(from) ? `/nowhere${text}` : text
  }
  const { stat, lstatOrNull, realPath, open, names, unlink, link, rename, syncDirectory } = localHostFiles
  return {
    ...localHostFiles,
    stat: (place) => stat(inside(place)),
    lstatOrNull: (place) => lstatOrNull(inside(place)),
    realPath: async (place) => {
      const real = String(await realPath(inside(place)))
      return Buffer.from(String(place).startsWith(to) ? to + real.slice(from.length) : real)
    },
    open: (place, ...rest) => open(inside(place), ...rest),
    names: (place) => names(inside(place)),
    unlink: (place) => unlink(inside(place)),
    link: (one, other) => link(inside(one), inside(other)),
    rename: (one, other) => rename(inside(one), inside(other)),
    syncDirectory: (place) => syncDirectory(inside(place)),
  }
}

test.each(['cow', 'root_fs'])('resume through another mount of the same place works: %s', async (name) => {
  const { directory, backing } = await killed('setFinalMtime')
  const files = boundElsewhere(directory, '/mounted', true)
  await resumeMerge(`/mounted/${name}`, { files })
  expect(isMerged(backing)).toBe(true)
  expect(readdirSync(directory).sort()).toEqual(['cow', 'root_fs'])
})

test.each(['cow', 'root_fs'])('where the old path is not to be seen, it says where to run what: %s', async (name) => {
  const { directory, cow } = await killed('setFinalMtime')
  const files = boundElsewhere(directory, '/mounted', false)
  const before = readdirSync(directory)
  const error = await errorOf(resumeMerge(`/mounted/${name}`, { files }))
  expect(error.code).toBe('JOURNAL_MISMATCH')
  expect(error.message).toContain('belongs to that merge, but has another path')
  expect(error.hint).toContain(`umlcow merge --resume ${cow}`)
  expect(error.hint).not.toContain('--abandon')
  expect(readdirSync(directory)).toEqual(before)
})

test.each([
  ['copyUpIntoSiblings', true],
  ['setFinalMtime', false],
] as const)('forgetting a copy is suggested only before the first byte was changed (%s)', async (step, suggested) => {
  const { directory, cow } = await killed(step)
  const copy = path.join(temporaryDirectory(), 'copy')
  cpSync(directory, copy, { recursive: true, preserveTimestamps: true })
  for (const name of ['cow', 'root_fs']) {
    const { code, message, hint = '' } = await errorOf(resumeMerge(path.join(copy, name)))
    expect(code).toBe('JOURNAL_MISMATCH')
    expect(message).toContain('is another one, a copy')
    expect(hint.includes('--abandon')).toBe(suggested)
    if (!suggested) expect(hint).toContain(`umlcow merge --resume ${cow}`)
  }
})

test('when the disk of the overlay is not mounted, nobody is told to forget the merge', async () => {
  const { at, directory, cow, backing } = await killed('setFinalMtime')
  const away = temporaryDirectory()
  for (const name of ['cow', 'cow.umlcow-journal']) renameSync(at(name), path.join(away, name))
  const error = await errorOf(resumeMerge(backing))
  expect(error).toMatchObject({ code: 'JOURNAL_MISMATCH', hint: expect.stringContaining('mount the disk') })
  await expect(abandonMerge(backing)).rejects.toMatchObject({ code: 'JOURNAL_MISMATCH' })
  for (const name of ['cow', 'cow.umlcow-journal']) renameSync(path.join(away, name), at(name))
  await resumeMerge(backing)
  expect(isMerged(backing)).toBe(true)
  expect(readdirSync(directory).sort()).toEqual([path.basename(cow), 'root_fs'])
})

test('a replaced backing file of a merge that wrote: nobody is told to forget it', async () => {
  const { backing, cow } = await killed('setFinalMtime')
  cpSync(backing, `${backing}.new`)
  renameSync(`${backing}.new`, backing)
  const error = await errorOf(resumeMerge(cow))
  expect(error.code).toBe('JOURNAL_MISMATCH')
  expect(error.hint).not.toContain('--abandon')
})

test('what was removed is told by name', async () => {
  const names = (list: readonly Buffer[]) => list.map(String).sort()
  const early = await killed('copyUpIntoSiblings')
  const both = ({ at }: typeof early) => [at('cow.umlcow-journal'), at('root_fs.umlcow-merging')]
  const restored = await abandonMerge(early.cow)
  expect(restored.content).toBe('old')
  expect(names(restored.removed)).toEqual(both(early))
  const late = await killed('setFinalMtime')
  const mixed = await abandonMerge(late.backing)
  expect(mixed.content).toBe('mixed')
  expect(names(mixed.removed)).toEqual(both(late))
  const lost = await killed('setFinalMtime')
  renameSync(lost.cow, path.join(temporaryDirectory(), 'cow'))
  const forgotten = await abandonMerge(lost.backing, { force: ['journal'] })
  expect(forgotten.content).toBe('unknown')
  expect(names(forgotten.removed)).toEqual(both(lost))
})

test.each([
  ['journal', { cow: 'c'.repeat(245) }],
  ['marker', { backing: 'b'.repeat(245) }],
] as const)('a name without room for the %s: refused before anything is written', async (what, names) => {
  const { cow, backing, directory } = scene(names)
  const before = readdirSync(directory).map((name) => statSync(path.join(directory, name)).mtimeMs)
  const error = await errorOf(mergeInPlace(cow))
  expect(error.code).toBe('NAME_TOO_LONG')
  expect(error.message).toContain(`${what === 'marker' ? backing : cow}: its ${what} would have a name too long`)
  expect(readdirSync(directory).map((name) => statSync(path.join(directory, name)).mtimeMs)).toEqual(before)
})

test('a path without room for the marker, or an undo overlay with too long a name: refused before anything', async () => {
  const { cow, backing, directory } = scene()
  let deep = directory
  while (deep.length < 3900) deep = path.join(deep, 'd'.repeat(150))
  mkdirSync(deep, { recursive: true })
  const far = path.join(deep, 'b'.repeat(4090 - deep.length - 1))
  renameSync(backing, far)
  const error = await errorOf(mergeInPlace(cow, { backing: far, afterwards: 'leave' }))
  expect(error.code).toBe('NAME_TOO_LONG')
  expect(error.message).toContain('its marker would have')
  renameSync(far, backing)
  const undone = await errorOf(mergeInPlace(cow, { backup: path.join(directory, 'u'.repeat(256)) }))
  expect(undone).toMatchObject({ code: 'NAME_TOO_LONG', message: expect.stringContaining('its undo overlay') })
  expect(readdirSync(directory).sort()).toContain('cow')
  expect(isMerged(backing)).toBe(false)
})

test('a name without room for the journal of the header: rebase refuses before it writes', async () => {
  const { cow, backing } = scene({ cow: 'c'.repeat(250) })
  const before = readFileSync(cow)
  const long = `/${'x/'.repeat(300)}${path.basename(backing)}`
  const error = await errorOf(rebaseUnsafe(cow, long))
  expect(error.code).toBe('NAME_TOO_LONG')
  expect(error.message).toContain('journal of the header')
  expect(readFileSync(cow).equals(before)).toBe(true)
})
