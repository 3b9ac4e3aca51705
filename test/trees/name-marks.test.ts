import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeTar } from '../../src/formats/tar/index.js'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { openDirectorySource } from '../../src/trees/kinds/directory/source.js'
import { importHumfs } from '../../src/trees/transfer/import-humfs.js'
import { plainTree } from '../support/attributes.js'
import { owner } from '../support/humfs-tree.js'
import { entry, itemsOf } from '../support/manifest-entries.js'

const directory = entry('', { type: 'directory' })

const whiteout = (name: string, type = 'file') =>
  `${name}: a name with ".wh." deletes a name of a lower layer; it stays a ${type}`
const unpack = expect.stringMatching(/^umlcow does not merge layers: .*umoci unpack.*docker export/)

/** What a dry run of an import of names says. */
async function warned(...entries: readonly ReturnType<typeof entry>[]): Promise<readonly string[]> {
  const input = { name: 'x.tar', bytes: writeTar(itemsOf([directory, ...entries])) }
  return (await importHumfs(input, null, { from: 'tar', dryRun: true })).warnings
}

const inTree = ['etc/.wh.passwd', 'etc/.wh..wh..opq', 'var/.wh..wh.plnk/x', 'etc/.what', 'etc/wh.x', '.wh']
const whiteouts = [
  whiteout('.wh.gone'),
  whiteout('etc/.wh..wh..opq'),
  whiteout('etc/.wh.passwd'),
  whiteout('var/.wh..wh.plnk', 'directory'),
]

describe('whiteouts of layers, which become ordinary files,', () => {
  it('are named in an archive', async () => {
    const plnk = entry('var/.wh..wh.plnk', { type: 'directory' })
    const etc = entry('etc', { type: 'directory' })
    const names = [
      entry('.wh.gone'),
      etc,
      entry('var', { type: 'directory' }),
      plnk,
      ...inTree.map((name) => entry(name)),
    ]
    const [last, ...rest] = (await warned(...names)).toReversed()
    expect(rest.toSorted()).toEqual(whiteouts)
    expect(last).toEqual(unpack)
  })

  it('are named in a directory once, by import and export', async () => {
    const top = plainTree(...inTree, '.wh.gone')
    const { warnings } = await importHumfs(top, null, { from: 'directory', dryRun: true })
    expect(warnings.slice(0, -1).toSorted()).toEqual(whiteouts)
    const source = openDirectorySource(top)
    await source.survey()
    expect(source.warnings.slice(0, -1).toSorted()).toEqual(whiteouts.map((one) => `${top}/${one}`))
  })

  it('are named in data/ by humfsify', async () => {
    const top = plainTree('data/.wh.x')
    const { warnings } = await humfsify(top, { ...owner, size: 2 ** 30, dryRun: true })
    expect(warnings).toEqual([whiteout('data/.wh.x'), unpack])
  })

  it('are devices 0:0 in a layer of overlayfs', async () => {
    const device = (minor: number) => ({ type: 'character', device: { major: 0, minor } }) as const
    expect(await warned(entry('a', device(0)), entry('b', device(1)))).toEqual([
      'a: a character device 0:0 deletes a name in a layer of overlayfs; it stays a device',
      unpack,
    ])
  })
})

describe('a tree that is not what it seems is named:', () => {
  it.each<[string, string[], RegExp]>([
    ['an OCI image', ['oci-layout', 'index.json', 'blobs/sha256/ab'], /^x.tar: is an OCI image, .*umoci unpack/],
    ['an image of docker save', ['manifest.json', 'ab/layer.tar'], /^x.tar: is an image of "docker save"/],
    ['humfs as a directory', ['superblock', 'data/f', 'file_metadata/f'], /--from humfs/],
    ['a tree of 9p as a directory', ['d/.virtfs_metadata/f'], /^d\/.virtfs_metadata: has owners and modes of QEMU/],
    ['what umlcow left', ['d/.umlcow-new-x/tree/f'], /^d\/.umlcow-new-x: a run of umlcow that was killed left it/],
  ])('%s', async (_, names, wanted) => {
    const parents = new Set(names.flatMap((name) => parentsOf(name)))
    const directories = [...parents].map((name) => entry(name, { type: 'directory' }))
    const warnings = await warned(...directories, ...names.map((name) => entry(name)))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(wanted)
  })

  it('and nothing else', async () => {
    const plain = ['superblock', 'data', 'manifest.json', 'index.json', 'layer.tar', '.hidden', '..x', 'x'.repeat(200)]
    expect(await warned(...plain.map((name) => entry(name)))).toEqual([])
  })
})

function parentsOf(name: string): string[] {
  const parent = path.posix.dirname(name)
  return parent === '.' ? [] : [...parentsOf(parent), parent]
}
