import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ManifestEntry, ManifestItem } from '../../../src/formats/manifest/index.js'
import { checkHumfs } from '../../../src/humfs/check/index.js'
import { writeVirtfsTree } from '../../../src/trees/kinds/9p/sink.js'
import { writeDirectory } from '../../../src/trees/kinds/directory/sink.js'
import { checkHumfsItems, humfsPlan, writeHumfsTree } from '../../../src/trees/kinds/humfs/sink.js'
import { scratchDirectory } from '../../support/humfs-tree.js'
import { bytesOf, entry, furtherName, itemsOf } from '../../support/manifest-entries.js'
import { placeFor } from '../../support/new-tree.js'

const options = { noSync: true, name: 'x' }
const directory = (name: string, change: Partial<ManifestEntry> = {}) => entry(name, { type: 'directory', ...change })
const symlink = (name: string, target: string) => entry(name, { type: 'symlink', linkTarget: bytesOf(target) })

/** Files with these contents; an entry of another kind as it is. */
async function* withContents(given: readonly (ManifestEntry | [string, string])[]): AsyncGenerator<ManifestItem> {
  for (const one of given) {
    if (!Array.isArray(one)) yield* itemsOf([one])
    else yield { entry: entry(one[0], { size: one[1].length }), content: pieceOf(one[1]) }
  }
}

async function* pieceOf(text: string): AsyncGenerator<Buffer> {
  yield bytesOf(text)
}

const sinks = [
  ['humfs', writeHumfsTree, 'data'],
  ['9p', writeVirtfsTree, ''],
  ['directory', writeDirectory, ''],
] as const

describe.each(sinks)('a name that comes twice: %s', (kind, write, below) => {
  const make = async (given: readonly (ManifestEntry | [string, string])[]) => {
    const made = path.join(scratchDirectory(), 'made')
    const result = await write(withContents(given), made, options)
    const at = (name: string) => path.join(made, below, name)
    const isClean = kind !== 'humfs' || (await checkHumfs(made)).findings.length === 0
    return { made, result, at, read: (name: string) => fs.readFileSync(at(name), 'latin1'), isClean }
  }

  it('has the content, the mode and the time of the later entry', async () => {
    const later = directory('d', { mode: 0o1700, mtimeNs: 7_000_000_000n })
    const { result, at, read, isClean } = await make([
      directory(''),
      directory('d'),
      ['d/f', 'one'],
      directory(''),
      later,
      ['d/f', 'second'],
      symlink('l', 'old'),
      symlink('l', 'new'),
    ])
    expect(read('d/f')).toBe('second')
    expect(fs.statSync(at('d')).mtimeMs).toBe(7000)
    expect(result.entries).toBe(4)
    expect(isClean).toBe(true)
    if (kind === 'humfs') expect(read('../dir_metadata/d/metadata')).toBe('960 0 0\n')
    if (kind === '9p') expect(read('.virtfs_metadata/d')).toContain(`virtfs.mode=${0o41700}\n`)
    if (kind !== '9p') expect(fs.readlinkSync(at('l'))).toBe('new')
  })

  it('leaves the old content to the other names of the file', async () => {
    const [first, second] = [entry('a', { size: 3 }), entry('a', { size: 6 })]
    const { result, at, read, isClean } = await make([
      ['a', 'one'],
      furtherName('b', first),
      furtherName('c', entry('b', { size: 3 })),
      ['a', 'second'],
      furtherName('c', second),
      furtherName('d', entry('b', { size: 3 })),
      furtherName('a', second),
    ])
    expect(['a', 'b', 'c', 'd'].map(read)).toEqual(['second', 'one', 'second', 'one'])
    const inodes = ['a', 'b', 'c', 'd'].map((name) => fs.statSync(at(name)).ino)
    expect([inodes[2], inodes[3]]).toEqual([inodes[0], inodes[1]])
    expect(['a', 'b'].map((name) => fs.statSync(at(name)).nlink)).toEqual([2, 2])
    expect(result.entries).toBe(5)
    expect(isClean).toBe(true)
  })

  it.each<[string, ManifestEntry[]]>([
    ['a file and a directory', [entry('a'), directory('a')]],
    ['a directory and a file', [directory('a'), entry('a')]],
    ['a file and a link', [entry('a'), symlink('a', 'b')]],
    ['a fifo and a file', [entry('a', { type: 'fifo' }), entry('a')]],
    ['a missing directory and a file', [entry('a/b'), entry('a')]],
  ])('is refused when the types differ: %s', async (_, entries) => {
    const place = placeFor(scratchDirectory())
    await expect(write(itemsOf(entries), place.directory, options)).rejects.toMatchObject({
      code: 'BAD_ARCHIVE',
      message: expect.stringMatching(/^x: a: is a \w+ in one entry, and a \w+ in another$/),
    })
    place.expectNothing()
  })

  it('is refused with the option', async () => {
    const place = placeFor(scratchDirectory())
    for (const twice of [entry('a'), directory('a')]) {
      const done = write(itemsOf([twice, twice]), place.directory, { ...options, duplicates: 'refuse' })
      await expect(done).rejects.toMatchObject({ code: 'BAD_ARCHIVE', message: 'x: a: occurs twice' })
      place.expectNothing()
    }
  })
})

describe('a suffix for directories called metadata', () => {
  it.each<[string, ManifestEntry[]]>([
    ['the real one last', [directory('metadata'), directory('metadata.d')]],
    ['the real one first', [directory('metadata.d'), directory('metadata')]],
    ['both unlisted', [entry('a/metadata/f'), entry('a/metadata.d/g')]],
    ['a file of that name', [entry('metadata.d'), entry('metadata/f')]],
  ])('does not make two directories one: %s', async (_, entries) => {
    const more = { ...options, renameMetadata: '.d' }
    const done = checkHumfsItems(itemsOf(entries), 'made', more, humfsPlan(more))
    await expect(done).rejects.toMatchObject({
      code: 'BAD_ARCHIVE',
      message: expect.stringMatching(/metadata\.d: the suffix for directories called "metadata" gives two entries/),
    })
  })
})
