import { expect, test } from 'vitest'
import {
  type ExtDirectory,
  type ExtFileSystem,
  type ExtInode,
  type ExtWalkOptions,
  walkExtDirectories,
} from '../../../src/core.js'

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
