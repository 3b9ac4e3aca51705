import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkHumfs } from '../../src/humfs/check/index.js'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { localHostFiles } from '../../src/machine/host-files.js'
import { readVirtfsTree } from '../../src/trees/kinds/9p/source.js'
import { openDirectorySource, readDirectory } from '../../src/trees/kinds/directory/source.js'
import { openHumfsSource, readHumfsTree } from '../../src/trees/kinds/humfs/source.js'
import { exportToTree } from '../../src/trees/transfer/export-to-tree.js'
import { importHumfs } from '../../src/trees/transfer/import-humfs.js'
import {
  isRoot,
  makeNastyTree,
  makeSmallTree,
  owner,
  removeTree,
  scratchDirectory,
  snapshot,
} from '../support/humfs-tree.js'
import { copyDirectory } from '../support/killed-runs.js'
import { humfsScene, readAll } from './scenes.js'

const quietly = { noSync: true }

/** A plain tree with everything in it, and the same as humfs. */
async function bothKinds(make: (top: string) => void) {
  const top = scratchDirectory()
  const [plain, humfs] = [path.join(top, 'plain'), path.join(top, 'humfs')]
  fs.mkdirSync(plain)
  make(plain)
  await copyDirectory(plain, humfs)
  await humfsify(humfs, { ...owner, size: 2 ** 30, noSync: true })
  return { top, data: path.join(plain, 'data'), humfs, made: path.join(top, 'made') }
}

function metadataOf(directory: string) {
  const all = Object.entries(snapshot(directory))
  return Object.fromEntries(all.filter(([name]) => name.includes('_metadata')))
}

describe.runIf(isRoot)('a tree with everything in it', () => {
  it('imported from a directory has the metadata that humfsify writes', async () => {
    const { data, humfs, made } = await bothKinds(makeNastyTree)
    const ids = { owner: owner.user, group: owner.group }
    const result = await importHumfs(data, made, { from: 'directory', ...ids, size: 2 ** 30, ...quietly })
    expect(result.warnings).toEqual([])
    expect(metadataOf(made)).toEqual(metadataOf(humfs))
    expect(Object.keys(metadataOf(made)).length).toBeGreaterThan(20)
    expect(await checkHumfs(made)).toMatchObject({ findings: [] })
  })

  it('exported to a directory is the tree that it was made of', async () => {
    const { data, humfs, made } = await bothKinds(makeNastyTree)
    const result = await exportToTree(openHumfsSource(humfs), made, { format: 'directory', ...quietly })
    expect(result).toMatchObject({ format: 'directory', written: null, warnings: [] })
    expect(await readAll(readDirectory(made))).toEqual(await readAll(readDirectory(data)))
  })

  it('imported from humfs is that again, with other owners of its files', async () => {
    const { humfs, made } = await bothKinds(makeNastyTree)
    await importHumfs(humfs, made, { from: 'humfs', owner: 77, group: 78, ...quietly })
    expect(await readAll(readHumfsTree(made))).toEqual(await readAll(readHumfsTree(humfs)))
    expect(fs.lstatSync(path.join(made, 'data'))).toMatchObject({ uid: 77, gid: 78 })
  })
})

describe('between humfs and 9p', () => {
  it('nothing is lost, there and back', async () => {
    const { top, humfs, made } = await bothKinds((plain) => {
      makeSmallTree(plain)
      // QEMU takes no owners of 2^31 and more.
      if (isRoot) fs.chownSync(path.join(plain, 'data', 'dir'), 5, 6)
    })
    await exportToTree(openHumfsSource(humfs), made, { format: '9p', ...quietly })
    expect(fs.existsSync(path.join(made, '.virtfs_metadata'))).toBe(true)
    const before = await readAll(readHumfsTree(humfs))
    expect(Object.keys(before).length).toBeGreaterThan(5)
    expect(await readAll(readVirtfsTree(made))).toEqual(before)
    const back = path.join(top, 'back')
    await importHumfs(made, back, { from: '9p', ...quietly })
    expect(await readAll(readHumfsTree(back))).toEqual(before)
    removeTree(top)
  })
})

describe('a new tree', () => {
  it('is not made in the tree that is read, nor over another', async () => {
    const { top, at } = await humfsScene()
    const before = snapshot(top)
    const options = { format: 'directory', ...quietly } as const
    const inside = exportToTree(openHumfsSource(top), at('data', 'dir', 'new'), options)
    await expect(inside).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    const over = exportToTree(openHumfsSource(top), at('data', 'dir'), options)
    await expect(over).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    const imported = importHumfs(at('data'), at('data', 'new'), { from: 'directory', ...quietly })
    await expect(imported).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    expect(snapshot(top)).toEqual(before)
  })

  it('of a damaged tree is not begun', async () => {
    const { top, at } = await humfsScene()
    fs.rmSync(at('file_metadata', 'content'))
    const made = path.join(scratchDirectory(), 'made')
    const failing = exportToTree(openHumfsSource(top), made, { format: '9p', ...quietly })
    await expect(failing).rejects.toMatchObject({ code: 'HUMFS_DAMAGED' })
    expect(fs.existsSync(made)).toBe(false)
  })

  it('is locked by the files that the caller passes', async () => {
    const { top } = await humfsScene()
    const files = { ...localHostFiles, lock: async () => null }
    const made = path.join(scratchDirectory(), 'made')
    const source = openDirectorySource(path.join(top, 'data'))
    const refused = exportToTree(source, made, { format: '9p', files, ...quietly })
    await expect(refused).rejects.toMatchObject({ code: 'IN_USE' })
    expect(fs.existsSync(made)).toBe(false)
  })

  it('is only counted in a dry run, and reported on the way', async () => {
    const { top } = await humfsScene()
    const made = path.join(scratchDirectory(), 'made')
    const dry = await exportToTree(openDirectorySource(path.join(top, 'data')), made, { format: '9p', dryRun: true })
    expect(fs.existsSync(made)).toBe(false)
    const seen: number[] = []
    const onProgress = ({ transferred, size }: { transferred: number; size: number }) => seen.push(transferred / size)
    const source = openDirectorySource(path.join(top, 'data'))
    const done = await exportToTree(source, made, { format: '9p', onProgress, ...quietly })
    expect({ ...done, dryRun: true }).toEqual(dry)
    expect(seen.at(-1)).toBe(1)
  })
})
