import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { humfsify } from '../../../../src/humfs/humfsify/index.js'
import { restoreHumfs } from '../../../../src/humfs/restore/index.js'
import { localTreeReader } from '../../../../src/trees/host/tree-reader.js'
import { createKnownEntries } from '../../../../src/trees/kinds/humfs/known-entries.js'
import { makeSmallTree, owner, scratchDirectory } from '../../../support/humfs-tree.js'

const facts = localTreeReader.lstat('.')
const plain = { mode: 0o4755, uid: 3_000_000_000, gid: 2 ** 32 - 1, node: null, isTooLong: false }
const options = { ...owner, size: 2 ** 30, noSync: true }

describe('entries that were read before', () => {
  it('are those of their place and inode, however many there are', () => {
    const known = createKnownEntries()
    const count = 20_000
    for (let i = 1; i <= count; i++) known.add({ ...facts, inode: 2n ** 60n + BigInt(i) }, { ...plain, uid: i })
    for (const i of [1, 4096, 4097, count]) {
      expect(known.at(i - 1, { ...facts, inode: 2n ** 60n + BigInt(i) })).toEqual({ ...plain, uid: i })
      expect(known.at(i - 1, { ...facts, inode: 2n ** 60n + BigInt(i + 1) })).toBeNull()
    }
    expect(known.at(count, { ...facts, inode: 0n })).toBeNull()
  })

  it('are read again where there was none, or a node', () => {
    const known = createKnownEntries()
    known.add(facts, null)
    known.add(facts, { ...plain, node: { letter: 'c', major: 1, minor: 3 } })
    known.add(facts, { ...plain, isTooLong: true })
    known.add(facts, plain)
    expect([0, 1, 2, 3, 4].map((i) => known.at(i, facts))).toEqual([null, null, null, plain, null])
  })

  it('spare a reverse the second reading', async () => {
    const top = scratchDirectory()
    makeSmallTree(top)
    await humfsify(top, options)
    const read: string[] = []
    const readStart: typeof localTreeReader.readStart = (file, length) => {
      read.push(file.toString('latin1'))
      return localTreeReader.readStart(file, length)
    }
    await restoreHumfs(top, { noSync: true, reader: { ...localTreeReader, readStart } })
    expect(read.filter((file) => file.endsWith('file_metadata/metadata'))).toHaveLength(1)
  })
})

describe('metadata of nothing', () => {
  async function damaged(damage: (at: (...names: string[]) => string) => void): Promise<unknown> {
    const top = scratchDirectory()
    makeSmallTree(top)
    await humfsify(top, options)
    damage((...names) => path.join(top, ...names))
    return await restoreHumfs(top, { noSync: true }).catch((error) => error)
  }
  const orphan = (name: string) => ({
    code: 'HUMFS_DAMAGED',
    message: expect.stringContaining(`${name}: belongs to nothing in data`),
  })

  it('is found where as many names are missing elsewhere', async () => {
    const moved = await damaged((at) => fs.renameSync(at('file_metadata/dir/empty'), at('file_metadata/other')))
    expect(moved).toMatchObject(orphan('file_metadata/other'))
  })

  it('is found where a link leads to a directory of the metadata that is not in it', async () => {
    const linked = await damaged((at) => {
      fs.renameSync(at('file_metadata/dir'), at('away'))
      fs.symlinkSync('../away', at('file_metadata/dir'))
      const count = fs.readdirSync(at('away')).filter((name) => name !== 'empty').length
      fs.mkdirSync(at('file_metadata/other/empty'), { recursive: true })
      for (let i = 1; i < count; i++) fs.writeFileSync(at('file_metadata/other', `${i}`), '420 0 0\n')
    })
    expect(linked).toMatchObject(orphan('file_metadata/other'))
  })

  it('is found where there is a name too many', async () => {
    const added = await damaged((at) => fs.writeFileSync(at('dir_metadata/dir/more'), ''))
    expect(added).toMatchObject(orphan('dir_metadata/dir/more'))
  })
})
