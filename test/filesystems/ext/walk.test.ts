import { describe, expect, test } from 'vitest'
import {
  type ExtDirectory,
  type ExtFileSystem,
  type ExtInode,
  type ExtWalkOptions,
  walkExtDirectories,
} from '../../../src/core.js'
import { findNames } from '../../../src/filesystems/ext/diff/find-names.js'
import type { Side } from '../../../src/filesystems/ext/diff/side.js'
import { walkExtFiles } from '../../../src/filesystems/ext/items/walk-files.js'

type Tree = Readonly<Record<number, Readonly<Record<string, number>>>>

/** A file system of directories, by the numbers of their inodes. All other inodes are files. */
function filesOf(tree: Tree): ExtFileSystem {
  const inode = (number: number) => ({ number, type: number in tree ? 'directory' : 'file' }) as ExtInode
  return {
    inode: async (number: number) => inode(number),
    inodesOf: async (numbers: readonly number[]) => numbers.map(inode),
    async *entries({ number }: ExtInode) {
      for (const [name, child] of Object.entries(tree[number]!)) {
        yield [{ name: Buffer.from(name, 'latin1'), inode: child, type: null }]
      }
    },
  } as Partial<ExtFileSystem> as ExtFileSystem
}

async function walk(tree: Tree, options: ExtWalkOptions = {}): Promise<string[]> {
  const files = filesOf(tree)
  const shown: string[] = []
  const show = ({ path, entries }: ExtDirectory) =>
    `${Buffer.from(path).toString('latin1')}: ${entries.map(({ name }) => Buffer.from(name).toString('latin1'))}`
  for await (const directory of walkExtDirectories(files, await files.inode(2), options)) shown.push(show(directory))
  return shown
}

test('lists a directory before those that it holds, sorted by bytes', async () => {
  const tree = { 2: { b: 5, a: 3, '\xff': 9, B: 4 }, 3: { z: 8, y: 7 }, 4: {}, 5: { c: 6 }, 6: {} }
  expect(await walk(tree)).toEqual([': B,a,b,\xff', 'B: ', 'a: y,z', 'b: c', 'b/c: '])
})

test('goes into the directories that the caller chose, in their order', async () => {
  const tree = { 2: { a: 3, b: 4, c: 5 }, 3: { x: 6 }, 4: { y: 7 }, 5: {} }
  const arrange: ExtWalkOptions['arrange'] = (entries) => entries.filter(({ name }) => name[0] !== 0x63).reverse()
  expect(await walk(tree, { arrange })).toEqual([': b,a', 'b: y', 'a: x'])
})

test.each([
  ['one above it', { 2: { a: 3 }, 3: { up: 2 } }],
  ['itself', { 2: { a: 3 }, 3: { me: 3 } }],
  ['one beside it', { 2: { a: 3, b: 4 }, 3: {}, 4: { beside: 3 } }],
])('refuses a directory that leads to %s', async (_, tree) => {
  await expect(walk(tree)).rejects.toMatchObject({ code: 'FS_DAMAGED', message: expect.stringMatching('two names') })
})

/** A chain of directories: each holds the next one, and a file beside it. */
function chain(depth: number, nameLength: number): Tree {
  const tree: Record<number, Record<string, number>> = {}
  const name = 'n'.repeat(nameLength)
  for (let i = 0; i < depth; i++) tree[2 + i] = i + 1 < depth ? { [name]: 3 + i, file: 1_000_000 } : {}
  return tree
}

describe('a chain of directories', () => {
  const deepest = 255

  test('is walked as deep as paths can be', async () => {
    expect(await walk(chain(deepest + 1, 255))).toHaveLength(deepest + 1)
  })

  test('and no further: time and memory would follow the depth', async () => {
    const tooDeep = { code: 'FS_DAMAGED', message: expect.stringMatching('inode 258 has more than 65279 bytes') }
    const files = filesOf(chain(1000, 255))
    const top = await files.inode(2)
    await expect(walk(chain(1000, 255))).rejects.toMatchObject(tooDeep)
    const below = walkExtFiles(files, [{ path: new Uint8Array(0), inode: top }], () => {})
    const drain = async () => {
      for await (const batch of below) expect(batch[0]!.path.length).toBeLessThan(65_536)
    }
    await expect(drain()).rejects.toMatchObject(tooDeep)
    const find = findNames({ files } as Side, new Map([[1_000_001, null]]))
    await expect(find).rejects.toMatchObject(tooDeep)
  })

  test('names a directory in the middle by its path', async () => {
    const found = await findNames({ files: filesOf(chain(40, 3)) } as Side, new Map([[5, 1]]))
    expect(found.get(5)!.map(({ path }) => Buffer.from(path).toString())).toEqual(['nnn/nnn/nnn'])
  })
})

test('a directory that two of the given paths lead to comes at each of them', async () => {
  const files = filesOf({ 2: { a: 3 }, 3: { x: 6 } })
  const [top, a] = [await files.inode(2), await files.inode(3)]
  const paths: string[] = []
  const tops = [
    { path: Buffer.from('link'), inode: a },
    { path: Buffer.from('top'), inode: top },
  ]
  for await (const batch of walkExtFiles(files, tops, () => {})) {
    for (const { path } of batch) paths.push(Buffer.from(path).toString())
  }
  expect(paths).toEqual(['link', 'link/x', 'top', 'top/a', 'top/a/x'])
})
