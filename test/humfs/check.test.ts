import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../src/errors.js'
import { checkHumfs } from '../../src/humfs/check/index.js'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { localTreeReader, type TreeReader } from '../../src/trees/host/tree-reader.js'
import { localTreeWriter } from '../../src/trees/host/tree-writer.js'
import { isRoot, makeSmallTree, owner, scratchDirectory, snapshot } from '../support/humfs-tree.js'

const options = { ...owner, size: 2 ** 30, noSync: true }
type At = (...names: string[]) => string

async function humfsTree(prepare: (at: At) => void = () => {}) {
  const top = scratchDirectory()
  makeSmallTree(top)
  const at: At = (...names) => path.join(top, ...names)
  prepare(at)
  await humfsify(top, options)
  return { top, at, good: snapshot(top) }
}

/** What the kernel of a guest does to the trees when the guest renames a directory. */
function guestRename(at: At, from: string, to: string): void {
  fs.renameSync(at('data', from), at('data', to))
  fs.renameSync(at('dir_metadata', from, 'metadata'), at('file_metadata', to))
}

describe('check', () => {
  it.each<[string, string, (at: At) => void]>([
    ['orphan', 'file_metadata/new', (at) => fs.writeFileSync(at('file_metadata', 'new'), '420 0 0\n')],
    ['orphan', 'file_metadata/newdir', (at) => fs.mkdirSync(at('file_metadata', 'newdir'))],
    ['orphan', 'dir_metadata/newdir', (at) => fs.mkdirSync(at('dir_metadata', 'newdir'))],
    ['no-entry', 'data/new', (at) => fs.writeFileSync(at('data', 'new'), '')],
    ['no-entry', 'data/dir', (at) => fs.rmSync(at('dir_metadata', 'dir', 'metadata'))],
    ['bad-entry', 'data/fifo', (at) => fs.writeFileSync(at('file_metadata', 'fifo'), '420 0 0 p\n')],
    ['bad-entry', 'data/fifo', (at) => fs.writeFileSync(at('file_metadata', 'fifo'), '420 0 0 p 0\n')],
    ['bad-entry', 'data/fifo', (at) => fs.writeFileSync(at('file_metadata', 'fifo'), '')],
    [
      'entry-too-long',
      'data/socket',
      (at) => fs.writeFileSync(at('file_metadata', 'socket'), '511 4294967295 4294967295 b 4095 1048575\n'),
    ],
    ['node-with-content', 'data/socket', (at) => fs.writeFileSync(at('data', 'socket'), 'x')],
    ['special-bits', 'data/fifo', (at) => fs.chmodSync(at('data', 'fifo'), 0o4644)],
    ['data-not-writable', 'data/fifo', (at) => fs.chmodSync(at('data', 'fifo'), 0o400)],
    ['no-mirror-directory', 'data/dir/empty', (at) => fs.rmdirSync(at('file_metadata', 'dir', 'empty'))],
    ['bad-superblock', 'superblock', (at) => fs.writeFileSync(at('superblock'), 'used 1\n')],
    ['bad-superblock', 'superblock', (at) => fs.rmSync(at('superblock'))],
    ['odd-superblock', 'superblock', (at) => fs.writeFileSync(at('superblock'), 'used 1\ntotal 1\n')],
    ['no-metadata-tree', '', (at) => fs.rmSync(at('dir_metadata'), { recursive: true })],
    [
      'unfinished-run',
      'humfs.umlcow-journal',
      (at) => {
        fs.writeFileSync(at('humfs.umlcow-journal'), '{"umlcow":"humfs journal 1","verb":"restore"}\n')
      },
    ],
  ])('finds %s of %s', async (code, place, damage) => {
    const { top, at } = await humfsTree()
    damage(at)
    const { findings } = await checkHumfs(top)
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ code, fixed: false, path: expect.stringMatching(new RegExp(`${place}$`)) })
  })

  it.runIf(isRoot)('finds device nodes', async () => {
    const { top, at } = await humfsTree()
    fs.rmSync(at('data/big'))
    expect(spawnSync('mknod', [at('data/big'), 'c', '1', '3']).status).toBe(0)
    const { findings } = await checkHumfs(top)
    expect(findings.map(({ code }) => code)).toEqual(expect.arrayContaining(['real-node']))
  })

  it('finds links whose metadata is not one, and mends them when they say the same', async () => {
    const { top, at, good } = await humfsTree()
    const text = fs.readFileSync(at('file_metadata/metadata'))
    fs.rmSync(at('file_metadata/metadata'))
    fs.writeFileSync(at('file_metadata/metadata'), text)
    if (isRoot) fs.chownSync(at('file_metadata/metadata'), Number(owner.user), Number(owner.group))
    expect(await checkHumfs(top)).toMatchObject({ findings: [{ code: 'hard-links', repairable: true }] })
    expect(await checkHumfs(top, { repair: true })).toMatchObject({ findings: [{ code: 'hard-links', fixed: true }] })
    expect(snapshot(top)).toEqual(good)

    fs.rmSync(at('file_metadata/metadata'))
    fs.writeFileSync(at('file_metadata/metadata'), '420 5 5\n')
    expect(await checkHumfs(top)).toMatchObject({ findings: [{ code: 'hard-links', repairable: false }] })
  })

  it('finds names that share their metadata, and gives each its own', async () => {
    const { top, at, good } = await humfsTree((other) => {
      for (const name of ['one', 'two']) fs.writeFileSync(other('data', name), '')
    })
    fs.rmSync(at('file_metadata/two'))
    fs.linkSync(at('file_metadata/one'), at('file_metadata/two'))
    expect(await checkHumfs(top)).toMatchObject({ findings: [{ code: 'shared-entry', severity: 'damage' }] })
    expect(await checkHumfs(top, { repair: true })).toMatchObject({ findings: [{ code: 'shared-entry', fixed: true }] })
    expect(snapshot(top)).toEqual(good)
  })

  it('mends a name that is a further one and shares its metadata with another, too', async () => {
    const { top, at } = await humfsTree((other) => {
      fs.writeFileSync(other('data/f1'), '')
      fs.linkSync(other('data/f1'), other('data/f2'))
      fs.writeFileSync(other('data/g'), '')
    })
    for (const name of ['f1', 'f2', 'g']) fs.rmSync(at('file_metadata', name))
    fs.writeFileSync(at('file_metadata/f1'), '420 0 4294967294\n')
    fs.writeFileSync(at('file_metadata/g'), '420 0 -2\n')
    fs.linkSync(at('file_metadata/g'), at('file_metadata/f2'))
    await checkHumfs(top, { repair: true })
    expect(await checkHumfs(top)).toMatchObject({ findings: [] })
    const ids = ['f1', 'f2', 'g'].map((name) =>
      fs.readFileSync(at('file_metadata', name), 'utf8').split(' ')[2]!.trim(),
    )
    expect(ids.every((id) => ['4294967294', '-2'].includes(id))).toBe(true)
    expect(fs.statSync(at('file_metadata/f1')).ino).toBe(fs.statSync(at('file_metadata/f2')).ino)
    expect(fs.statSync(at('file_metadata/g')).nlink).toBe(1)
  })

  it.each([
    ['damaged', 'no journal\n', 0o644],
    ['unreadable', '', 0],
  ])('tells of a journal that is %s', async (_, text, mode) => {
    const { top, at } = await humfsTree()
    fs.writeFileSync(at('humfs.umlcow-journal'), text, { mode })
    expect(await checkHumfs(top)).toMatchObject({ findings: [{ code: 'unfinished-run', repairable: false }] })
  })

  it.each<[string, (place: string) => void]>([
    ['a file', (place) => fs.writeFileSync(place, '')],
    ['a link', (place) => fs.symlinkSync('/etc', place)],
  ])('finds %s where metadata has a directory, and looks no further', async (_, make) => {
    for (const metadata of ['file_metadata', 'dir_metadata']) {
      const { top, at } = await humfsTree((other) =>
        fs.mkdirSync(other('data/dir/empty/apt/umlcow'), { recursive: true }),
      )
      fs.renameSync(at(metadata, 'dir/empty'), at('away'))
      make(at(metadata, 'dir/empty'))
      const before = snapshot(top)
      const { findings } = await checkHumfs(top, { repair: true })
      expect(findings).toContainEqual(
        expect.objectContaining({ code: 'no-mirror-directory', path: 'data/dir/empty', repairable: false }),
      )
      expect(findings.some(({ path: place }) => place.includes('apt'))).toBe(false)
      expect(snapshot(top)).toEqual(before)
    }
  })

  it('leaves modes alone that stand nowhere else', async () => {
    const { top, at } = await humfsTree()
    fs.writeFileSync(at('data/new'), '')
    fs.chmodSync(at('data/new'), 0o4500)
    fs.chmodSync(at('data/fifo'), 0o4044)
    const before = snapshot(top)
    const { findings } = await checkHumfs(top, { repair: true })
    expect(findings.filter(({ fixed }) => fixed)).toEqual([])
    expect(snapshot(top)).toEqual(before)
  })

  it('goes on when the host refuses a repair, and says why', async () => {
    const { top, at } = await humfsTree()
    fs.chmodSync(at('data/fifo'), 0o044)
    fs.rmdirSync(at('file_metadata/dir/empty'))
    const setMode = () => {
      throw new UmlcowError('EPERM', 'made to fail')
    }
    const { findings } = await checkHumfs(top, { repair: true, writer: { ...localTreeWriter, setMode } })
    expect(findings).toMatchObject([
      { code: 'no-mirror-directory', fixed: true },
      { code: 'data-not-writable', fixed: false, message: expect.stringContaining('; made to fail') },
    ])
  })

  it('mends modes and mirror directories', async () => {
    const { top, at, good } = await humfsTree()
    fs.chmodSync(at('data/metadata'), 0o4755)
    fs.chmodSync(at('data/fifo'), 0o044)
    fs.rmdirSync(at('file_metadata/dir/empty'))
    const dry = await checkHumfs(top, { repair: true, dryRun: true })
    // The file has two names.
    expect(dry.findings.filter(({ repairable }) => repairable)).toHaveLength(4)
    const { findings } = await checkHumfs(top, { repair: true })
    expect(findings.every(({ fixed }) => fixed)).toBe(true)
    expect(await checkHumfs(top)).toMatchObject({ findings: [] })
    expect(snapshot(top)).toEqual(good)
  })
})

describe("a guest's renamed directory", () => {
  it('is found, and mended when it can be no other', async () => {
    const { top, at } = await humfsTree()
    const expected = await humfsTree((other) => fs.renameSync(other('data/dir'), other('data/moved')))
    guestRename(at, 'dir', 'moved')
    const { findings } = await checkHumfs(top)
    expect(findings.find(({ path: place }) => place === 'data/moved')).toMatchObject({
      code: 'guest-renamed-directory',
      severity: 'damage',
      repairable: true,
    })
    const repaired = await checkHumfs(top, { repair: true })
    expect(repaired.findings).toMatchObject([{ code: 'guest-renamed-directory', fixed: true }])
    expect(await checkHumfs(top)).toMatchObject({ findings: [] })
    expect(snapshot(top)).toEqual(expected.good)
  })

  it('in which another was renamed is left alone: its metadata does not hold the same names', async () => {
    const { top, at } = await humfsTree()
    guestRename(at, 'dir/empty', 'dir/hollow')
    guestRename(at, 'dir', 'moved')
    const before = snapshot(top)
    const { findings } = await checkHumfs(top, { repair: true })
    expect(findings).toMatchObject([{ path: 'data/moved', repairable: false }, {}, {}])
    expect(snapshot(top)).toEqual(before)
  })

  it('is looked at once, however many there are', async () => {
    const all = Array.from({ length: 20 }, (_, i) => `${i}`)
    const { top, at } = await humfsTree((other) => {
      for (const name of all) fs.mkdirSync(other('data', `from${name}`))
    })
    for (const name of all) guestRename(at, `from${name}`, `to${name}`)
    let count = 0
    const children: TreeReader['children'] = (directory) => {
      count++
      return localTreeReader.children(directory)
    }
    const { findings } = await checkHumfs(top, { reader: { ...localTreeReader, children } })
    expect(findings.filter(({ code }) => code === 'guest-renamed-directory')).toHaveLength(all.length)
    expect(count).toBeLessThan(5 * all.length)
  })

  it('is left alone when it may have been one of two', async () => {
    const { top, at } = await humfsTree((other) => {
      fs.mkdirSync(other('data/one'))
      fs.mkdirSync(other('data/two'))
    })
    guestRename(at, 'one', 'first')
    guestRename(at, 'two', 'second')
    const before = snapshot(top)
    const { findings } = await checkHumfs(top, { repair: true })
    expect(findings.filter(({ code }) => code === 'guest-renamed-directory')).toMatchObject([
      { repairable: false },
      { repairable: false },
    ])
    expect(snapshot(top)).toEqual(before)
  })
})
