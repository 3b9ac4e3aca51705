import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../../src/bytes/fast.js'
import { checkEntry } from '../../../../src/formats/manifest/index.js'
import { humfsify } from '../../../../src/humfs/humfsify/index.js'
import { readDirectory } from '../../../../src/trees/kinds/directory/source.js'
import { openHumfsSource, readHumfsTree } from '../../../../src/trees/kinds/humfs/source.js'
import { addLongPath, isRoot, makeNastyTree, scratchDirectory, snapshot } from '../../../support/humfs-tree.js'
import { listOf } from '../../../support/manifest-entries.js'
import { humfsOptions, humfsScene, readAll } from '../../scenes.js'

/** What the survey of a damaged tree says, before anything is read. */
async function failureOf(top: string): Promise<{ code: string; message: string; details: { count: number } }> {
  try {
    await listOf(readHumfsTree(top))
  } catch (error) {
    return error as Awaited<ReturnType<typeof failureOf>>
  }
  throw new Error('nothing was wrong')
}

describe('a humfs tree', () => {
  it('is read as the tree that it was made of', async () => {
    const top = scratchDirectory()
    makeNastyTree(top)
    const before = await readAll(readDirectory(path.join(top, 'data')))
    expect(Object.keys(before).length).toBeGreaterThan(60)
    await humfsify(top, humfsOptions)
    const humfs = snapshot(top)
    expect(await readAll(readHumfsTree(top))).toEqual(before)
    expect(snapshot(top)).toEqual(humfs)
  })

  it('may have paths of 4,000 bytes', async () => {
    const top = scratchDirectory()
    addLongPath(top, 4000)
    await humfsify(top, humfsOptions)
    const items = await listOf(readHumfsTree(top))
    expect(Math.max(...items.map(({ entry }) => entry.path.length))).toBeGreaterThan(3990)
    for (const { entry } of items) expect(() => checkEntry(entry)).not.toThrow()
  })

  it('comes with directories before what they hold, and first names before further ones', async () => {
    const { top } = await humfsScene()
    const seen = new Set<string>(['.'])
    for await (const { entry } of readHumfsTree(top)) {
      const name = `/${latin1Text(entry.path)}`
      expect(seen).toContain(entry.path.length === 0 ? '.' : path.dirname(name))
      if (entry.hardLinkTo !== null) expect(seen).toContain(`/${latin1Text(entry.hardLinkTo)}`)
      seen.add(name)
    }
    expect(seen.size).toBeGreaterThan(10)
  })

  it('tells how much there is in a survey, which reads nothing', async () => {
    const { top } = await humfsScene()
    const items = await listOf(readHumfsTree(top))
    const sizes = items.filter(({ content }) => content !== null).map(({ entry }) => entry.size)
    const size = sizes.reduce((a, b) => a + b)
    expect(await openHumfsSource(top).survey({ content: true })).toEqual({ entries: items.length, size })
  })

  it('of the Perl tool may have real nodes', async () => {
    const top = scratchDirectory()
    makeNastyTree(top)
    await humfsify(top, { ...humfsOptions, perlCompat: true })
    const all = await readAll(readHumfsTree(top))
    expect(all['socket']!.text).toMatch(/^socket /)
    if (isRoot) expect(all['big']!.text).toMatch(/^character 644 0 0 300 3000 /)
  })
})

describe('a damaged humfs tree', () => {
  it('is refused with all that is wrong', async () => {
    const { top, at } = await humfsScene()
    fs.rmSync(at('file_metadata', 'content'))
    fs.writeFileSync(at('file_metadata', 'dir', 'more'), '420 0 0 p\n')
    fs.writeFileSync(at('data', 'socket'), 'x')
    fs.rmSync(at('dir_metadata', 'dir', 'empty', 'metadata'))
    fs.rmSync(at('file_metadata', 'dangling'))
    fs.mkdirSync(at('file_metadata', 'dangling'))
    const failure = await failureOf(top)
    expect(failure).toMatchObject({ code: 'HUMFS_DAMAGED', details: { count: 5 } })
    expect(failure.message.split('\n').sort()).toEqual([
      'data/content: has no metadata',
      'data/dangling: its metadata cannot be read: is a directory, not a file',
      'data/dir/empty: has no metadata',
      'data/dir/more: its metadata cannot be read: expected 3 or 6 fields, got "420 0 0 p\\n"',
      'data/socket: is a socket by its metadata, but not empty',
    ])
  })

  it.each([
    ['nothing', ''],
    ['zeros', Buffer.alloc(256)],
    ['a mode with bits of the type', '33188 0 0\n'],
    ['an owner of 33 bits', '420 4294967296 0\n'],
    ['a device that Linux cannot have', '420 0 0 c 4096 0\n'],
    ['two lines', '420 0 0\n420 0 0\n'],
    ['a file of a gigabyte', null],
  ])('is refused where an entry is %s', async (_, text) => {
    const { top, at } = await humfsScene()
    fs.writeFileSync(at('file_metadata', 'content'), text ?? '')
    if (text === null) fs.truncateSync(at('file_metadata', 'content'), 2 ** 30)
    expect(await failureOf(top)).toMatchObject({ code: 'HUMFS_DAMAGED', details: { count: 1 } })
  })

  it('is refused where a link leads to the metadata of another tree', async () => {
    const other = scratchDirectory()
    const { top, at } = await humfsScene()
    for (const tree of ['file_metadata', 'dir_metadata']) {
      fs.renameSync(at(tree, 'dir'), path.join(other, tree))
      fs.symlinkSync(path.join(other, tree), at(tree, 'dir'))
    }
    expect((await failureOf(top)).message).toContain('data/dir: has a symlink in the place of a directory of metadata')
  })

  it('is refused where the names of a file have different metadata', async () => {
    const { top, at } = await humfsScene()
    fs.rmSync(at('file_metadata', 'dir', 'second name'))
    fs.writeFileSync(at('file_metadata', 'dir', 'second name'), '420 1 1\n')
    expect((await failureOf(top)).message).toMatch(/its metadata differs from that of another name of the same file/)
  })

  it.runIf(isRoot)('is refused where a device is none by its metadata', async () => {
    const { top, at } = await humfsScene()
    fs.rmSync(at('data', 'content'))
    const { spawnSync } = await import('node:child_process')
    expect(spawnSync('mknod', [at('data', 'content'), 'c', '1', '3']).status).toBe(0)
    expect((await failureOf(top)).message).toBe('data/content: is a device node, but its metadata has no device')
  })

  it.each([
    ['HUMFS_SUPERBLOCK', (at: (...names: string[]) => string) => fs.writeFileSync(at('superblock'), 'x')],
    ['HUMFS_DAMAGED', (at: (...names: string[]) => string) => fs.renameSync(at('dir_metadata'), at('elsewhere'))],
    ['NOT_HUMFS', (at: (...names: string[]) => string) => fs.renameSync(at('data'), at('elsewhere'))],
    [
      'HUMFS_UNFINISHED',
      (at: (...names: string[]) => string) =>
        fs.writeFileSync(at('humfs.umlcow-journal'), '{"umlcow":"humfs journal 1","verb":"restore"}\n'),
    ],
  ])('is refused as a whole: %s', async (code, damage) => {
    const { top, at } = await humfsScene()
    damage(at)
    expect(await failureOf(top)).toMatchObject({ code })
  })
})
