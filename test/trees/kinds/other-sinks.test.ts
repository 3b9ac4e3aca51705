import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../src/bytes/fast.js'
import { parseFakerootLine } from '../../../src/formats/fakeroot/index.js'
import type { ManifestEntry, ManifestItem } from '../../../src/formats/manifest/index.js'
import { parseVirtfs } from '../../../src/formats/virtfs/index.js'
import { writeVirtfsTree } from '../../../src/trees/kinds/9p/sink.js'
import { writeDirectory } from '../../../src/trees/kinds/directory/sink.js'
import { fakerootSource } from '../../../src/trees/kinds/fakeroot/source.js'
import { ContentTree } from '../../../src/trees/source/content-tree.js'
import { sampleOf } from '../../support/amount.js'
import { crashingHost } from '../../support/crashing-trees.js'
import { isRoot, makeNastyTree, scratchDirectory, snapshot } from '../../support/humfs-tree.js'
import { asyncOf, bytesOf, entry, furtherName, itemsOf, listOf } from '../../support/manifest-entries.js'
import { placeFor } from '../../support/new-tree.js'

const noSync = { noSync: true, name: 'x' }
const directory = (name: string, change: Partial<ManifestEntry> = {}) => entry(name, { type: 'directory', ...change })
const first = entry('dir/first', { size: 9, mode: 0o4755, uid: 3_000_000_000, gid: 7 })
const second = 1_000_000_000n
const small = [
  directory('', { mode: 0o1755 }),
  directory('dir', { mode: 0o500, mtimeNs: 5n * second }),
  first,
  furtherName('again', first),
  entry('link', { type: 'symlink', mode: 0o777, linkTarget: bytesOf('/somewhere/else') }),
  entry('fifo', { type: 'fifo', mode: 0o640 }),
  entry('socket', { type: 'socket', mode: 0o755 }),
  entry('node', { type: 'block', mode: 0o660, device: { major: 8, minor: 1 } }),
]

const sinks = [
  ['writeDirectory', writeDirectory],
  ['writeVirtfsTree', writeVirtfsTree],
] as const

describe.each(sinks)('%s', (_, write) => {
  const link = entry('a', { type: 'symlink', linkTarget: bytesOf('/tmp') })
  it.each<[string, string, ManifestEntry[]]>([
    ['the same file twice', 'BAD_ARCHIVE', [entry('a'), entry('a')]],
    ['a file below a link', 'BAD_ARCHIVE', [link, entry('a/b')]],
    ['a directory in the place of a link', 'BAD_ARCHIVE', [link, directory('a')]],
    ['a file in the place of a directory', 'BAD_ARCHIVE', [entry('a/b'), entry('a')]],
    ['a hard link to nothing', 'BAD_ARCHIVE', [furtherName('b', entry('a'))]],
    ['a hard link to a directory', 'BAD_ARCHIVE', [directory('a'), furtherName('b', entry('a'))]],
    ['a path that leads out', 'ENTRY_UNFIT', [entry('../beside')]],
    ['a name of 256 bytes', 'ENAMETOOLONG', [entry('x'.repeat(256))]],
  ])('refuses %s, and nothing is there afterwards', async (_what, code, entries) => {
    const place = placeFor(scratchDirectory())
    const strict = { ...noSync, duplicates: 'refuse' } as const
    await expect(write(itemsOf(entries), place.directory, strict)).rejects.toMatchObject({ code })
    place.expectNothing()
  })

  it('tells of what fails by a path that leads to it', async () => {
    const { directory: made } = placeFor(scratchDirectory())
    const work = path.join(path.dirname(made), '.umlcow-new-new')
    await expect(write(itemsOf([entry('x'.repeat(256))]), made, noSync)).rejects.toThrow(`${work}/tree/xxx`)
  })

  it('leaves nothing under the final name when it is killed at any call', async () => {
    const some = small.filter(({ type }) => type !== 'block' && type !== 'fifo')
    const entries = some.map((one) => ({ ...one, uid: 0 }))
    const top = scratchDirectory()
    const { calls, ...whole } = crashingHost(Number.POSITIVE_INFINITY)
    await write(itemsOf(entries), path.join(top, 'whole'), { ...noSync, ...whole })
    const after = snapshot(path.join(top, 'whole'))
    const indexes = calls.map((_, index) => index)
    for (const crashAt of sampleOf(write.name, indexes, 12, (index) => calls[index])) {
      const made = path.join(top, `made${crashAt}`)
      const { writer } = crashingHost(crashAt)
      await write(itemsOf(entries), made, { ...noSync, writer }).catch((error) => expect(error.code).toBe('EIO'))
      if (fs.existsSync(made)) expect(snapshot(made), `${crashAt}`).toEqual(after)
      else await write(itemsOf(entries), made, noSync)
      expect(snapshot(made), `${crashAt}`).toEqual(after)
    }
  })
})

describe('a plain directory', () => {
  it.runIf(isRoot)('made by root is the tree that it was made of, and its times', async () => {
    const [plain, copy] = ['plain', 'copy'].map((name) => path.join(scratchDirectory(), name)) as [string, string]
    for (const one of [plain, copy]) fs.mkdirSync(one)
    makeNastyTree(plain)
    const made = path.join(copy, 'data')
    const tree = new ContentTree(path.join(plain, 'data'))
    const result = await writeDirectory(tree.names(), made, noSync)
    expect(result).toMatchObject({ differing: 0, warnings: [] })
    const before = snapshot(plain)
    expect(snapshot(copy)).toEqual(before)
    expect(result.entries).toBe(Object.keys(before).length)
    for (const name of ['', 'dir', 'plain', 'dangling', 'null', 'socket', 'fifo']) {
      const [there, here] = [plain, copy].map((one) => fs.lstatSync(path.join(one, 'data', name)).mtimeMs)
      expect(Math.abs(there! - here!), name).toBeLessThan(0.01)
    }
  })

  it('made by others is theirs, and the difference is told and recorded', async () => {
    const top = scratchDirectory()
    const [made, save] = [path.join(top, 'made'), path.join(top, 'save')]
    const entries = [...small, entry('missing/below')]
    const result = await writeDirectory(itemsOf(entries), made, { ...noSync, asRoot: false, fakerootSave: save })
    expect(result.entries).toBe(10)
    expect(result.warnings.join('\n')).toMatch(/get mode 0755 and owner root: missing\n\d names do not have the owner/)
    expect(fs.statSync(path.join(made, 'dir')).mode & 0o7777).toBe(0o500)
    expect(fs.statSync(path.join(made, 'dir')).mtimeMs).toBe(5000)
    expect(fs.statSync(path.join(made, 'dir/first'))).toMatchObject({ uid: process.geteuid?.(), nlink: 2, size: 9 })
    expect(fs.statSync(path.join(made, 'dir/first')).mode & 0o7777).toBe(0o755)
    expect(fs.statSync(path.join(made, 'node')).isFile()).toBe(true)
    expect(fs.statSync(path.join(made, 'socket')).isSocket()).toBe(true)
    const lines = fs.readFileSync(save, 'latin1').trimEnd().split('\n')
    expect(lines.every((line) => parseFakerootLine(Buffer.from(line)) !== null)).toBe(true)
    const back = await listOf(fakerootSource.read(asyncOf([fs.readFileSync(save)]), new ContentTree(made), {}))
    const facts = ({ path: name, type, mode, uid, gid, device }: ManifestEntry) =>
      JSON.stringify([latin1Text(name), type, mode, uid, gid, device])
    const expected = [...entries, directory('missing', { mode: 0o755 })].map(facts).sort()
    expect(back.map((item) => facts(item.entry)).sort()).toEqual(expected)
  })

  it.runIf(!isRoot)(
    'may have directories that we may not write to, and is removed with them when it fails',
    async () => {
      const top = scratchDirectory()
      const own = { uid: process.geteuid!(), gid: process.getegid!() }
      const locked = [
        directory('', { ...own, mode: 0o555 }),
        directory('a', { ...own, mode: 0 }),
        directory('b', { ...own, mode: 0o500 }),
        entry('b/file', { ...own, mode: 0o400 }),
      ]
      const made = path.join(top, 'made')
      expect(await writeDirectory(itemsOf(locked), made, noSync)).toMatchObject({ entries: 4, differing: 0 })
      const modes = ['', 'a', 'b', 'b/file'].map((name) => fs.statSync(path.join(made, name)).mode & 0o7777)
      expect(modes).toEqual([0o555, 0, 0o500, 0o400])
      const taken = path.join(top, 'taken')
      const taking = async function* (): AsyncGenerator<ManifestItem> {
        yield* itemsOf(locked)
        fs.mkdirSync(path.join(taken, 'theirs'), { recursive: true })
      }
      await expect(writeDirectory(taking(), taken, noSync)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
      expect(fs.readdirSync(top).sort()).toEqual(['made', 'taken'])
      expect(fs.readdirSync(taken)).toEqual(['theirs'])
      for (const name of ['', 'a', 'b']) fs.chmodSync(path.join(made, name), 0o700)
    },
  )

  it('does not replace a save file, and leaves none without its tree', async () => {
    const top = scratchDirectory()
    const save = path.join(top, 'save')
    fs.writeFileSync(save, 'theirs')
    const made = path.join(top, 'made')
    const run = (entries: ManifestEntry[], file: string) =>
      writeDirectory(itemsOf(entries), made, { ...noSync, asRoot: false, fakerootSave: file })
    const refusal = { code: 'TARGET_EXISTS', hint: 'give another name, or remove it first' }
    await expect(run(small, save)).rejects.toMatchObject(refusal)
    expect(fs.readFileSync(save, 'latin1')).toBe('theirs')
    await expect(run([entry('a'), directory('a')], `${save}2`)).rejects.toMatchObject({ code: 'BAD_ARCHIVE' })
    expect(fs.readdirSync(top)).toEqual(['save'])
  })
})

describe('a tree for 9p', () => {
  it('has the attributes of each name beside it', async () => {
    const made = path.join(scratchDirectory(), 'made')
    const entries = [
      ...small.filter(({ uid }) => uid < 2 ** 31),
      entry('a/b/c', { uid: 5 }),
      directory('a', { mode: 0o700 }),
    ]
    const plain = entries.filter(({ hardLinkTo }) => hardLinkTo === null)
    const file = entry('f', { size: 3, mode: 0o2711, gid: 50 })
    const result = await writeVirtfsTree(itemsOf([...plain, file, furtherName('dir/f', file)]), made, noSync)
    expect(result.warnings).toEqual(['directories that x does not list get mode 0755 and owner root: a/b'])
    const attributes = (name: string) => parseVirtfs(fs.readFileSync(path.join(made, name)))
    expect(attributes('.virtfs_metadata_root')).toMatchObject({ type: 'directory', mode: 0o1755, uid: 0 })
    expect(attributes('.virtfs_metadata/dir')).toMatchObject({ type: 'directory', mode: 0o500 })
    expect(attributes('.virtfs_metadata/node')).toMatchObject({ type: 'block', device: { major: 8, minor: 1 } })
    expect(attributes('.virtfs_metadata/socket')).toMatchObject({ type: 'socket' })
    expect(attributes('a/.virtfs_metadata/b')).toMatchObject({ type: 'directory', mode: 0o755, uid: 0 })
    expect(attributes('a/b/.virtfs_metadata/c')).toMatchObject({ type: 'file', uid: 5 })
    expect(attributes('dir/.virtfs_metadata/f')).toMatchObject({ type: 'file', mode: 0o2711, gid: 50 })
    const inode = (name: string) => fs.statSync(path.join(made, name)).ino
    expect(inode('dir/f')).toBe(inode('f'))
    expect(inode('dir/.virtfs_metadata/f')).toBe(inode('.virtfs_metadata/f'))
    expect(fs.readFileSync(path.join(made, 'link'), 'latin1')).toBe('/somewhere/else')
    expect(fs.statSync(path.join(made, 'dir')).mtimeMs).toBe(5000)
    for (const [name, facts] of Object.entries(snapshot(made))) {
      expect(facts.split(' ')[0], name).toMatch(/^(40700|100600)$/)
    }
  })

  it('is refused names of its own and owners that QEMU misreads, all at once', async () => {
    const place = placeFor(scratchDirectory())
    const entries = [entry('.virtfs_metadata/x'), entry('d/.virtfs_metadata_root'), entry('big', { uid: 2 ** 31 })]
    const failure = await writeVirtfsTree(itemsOf(entries), place.directory, noSync).catch((error) => error)
    expect(failure).toMatchObject({ code: 'ENTRY_UNFIT', details: { count: 3 } })
    place.expectNothing()
  })
})
