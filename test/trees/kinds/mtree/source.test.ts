import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../../src/bytes/fast.js'
import type { ReadOptions } from '../../../../src/formats/manifest/archive-error.js'
import { DigestCheck } from '../../../../src/trees/kinds/mtree/check-digests.js'
import { mtreeSource } from '../../../../src/trees/kinds/mtree/source.js'
import { ContentTree } from '../../../../src/trees/source/content-tree.js'
import { importHumfs } from '../../../../src/trees/transfer/import-humfs.js'
import { scratchDirectory } from '../../../support/humfs-tree.js'
import { asyncOf, bytesOf, collect, cut, entry, readAll } from '../../../support/manifest-entries.js'

/** The digests of `hi` and a newline, as NetBSD's mtree writes them. */
const digests = {
  cksum: '1479881546',
  md5: '764efa883dda1e11db47671c4a3bbd9e',
  rmd160: '1ac2e29fd645edfe32f3442cadf5a46c5a0df960',
  sha1: '55ca6286e3e4f4fba5d0448333fa99fc5a404a73',
  sha256: '98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4',
  sha384: '4284b5694ca6c0d2cf4789a0b95ac8025c818de52304364be7cd2981b2d2edc685b322277ec25819962413d8c9b2c1f5',
  sha512:
    'd78abb0542736865f94704521609c230dac03a2f369d043ac212d6933b91410e06399e37f9c5cc88436a31737330c1c8eccb2c2f9f374d62f716432a32d50fac',
} as const

const keywords = [
  ...(['cksum', 'md5', 'rmd160', 'sha1', 'sha256', 'sha384', 'sha512'] as const).map((name) => [name, name] as const),
  ...(['md5', 'rmd160', 'sha1', 'sha256', 'sha384', 'sha512'] as const).map((name) => [`${name}digest`, name] as const),
  ['ripemd160digest', 'rmd160'] as const,
]

function makeTree(): { top: string; tree: string } {
  const top = scratchDirectory()
  const tree = path.join(top, 'tree')
  fs.mkdirSync(path.join(tree, 'dir'), { recursive: true })
  fs.writeFileSync(path.join(tree, 'a'), 'hi\n')
  fs.linkSync(path.join(tree, 'a'), path.join(tree, 'dir/b'))
  fs.writeFileSync(path.join(tree, 'empty'), '')
  fs.writeFileSync(path.join(top, 'secret'), 'secret')
  fs.symlinkSync('..', path.join(tree, 'out'))
  return { top, tree }
}

const set = '#mtree\n/set type=file uid=0 gid=0 mode=0644\n'

async function read(lines: string, options: ReadOptions = {}) {
  const { tree } = makeTree()
  const source = cut(bytesOf(`${set}${lines}\n`), 7)
  const all = await readAll(mtreeSource.read(source, new ContentTree(tree), { name: 'list', ...options }))
  return all.map(({ entry: one, content }) => ({ ...one, path: latin1Text(one.path), content: content?.toString() }))
}

describe('digests in mtree text', () => {
  it.each(keywords)('are checked while the content is read: %s', async (keyword, name) => {
    const right = `./a ${keyword}=${digests[name].toUpperCase()}`
    expect(await read(right)).toMatchObject([{ path: 'a', content: 'hi\n' }])
    const wrong = `${digests[name].startsWith('1') ? 2 : 1}${digests[name].slice(1)}`
    const message = `list: line 3: ${name} of a: expected ${wrong}, got ${digests[name]} in the tree`
    await expect(read(`./a ${keyword}=${wrong}`)).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
      message: `${message}; restore the file, or make the list again`,
    })
  })

  it('are checked together, and for a file without content', async () => {
    const all = Object.entries(digests).map(([name, value]) => `${name}=${value}`)
    expect(await read(`./a ${all.join(' ')}\n./empty cksum=4294967295`)).toHaveLength(2)
    await expect(read('./empty cksum=0')).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
  })

  it('that differ make nothing, and a dry run reads no content', async () => {
    const { top, tree } = makeTree()
    const text = path.join(top, 'list')
    fs.writeFileSync(text, `${set}./empty\n./a md5=${'0'.repeat(32)}\n`)
    const options = { from: 'mtree', tree, noSync: true } as const
    expect(await importHumfs(text, null, { ...options, dryRun: true })).toMatchObject({ entries: 3 })
    const run = importHumfs(text, path.join(top, 'made'), options)
    await expect(run).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    expect(fs.readdirSync(top).sort()).toEqual(['list', 'secret', 'tree'])
  })

  it('that this Node.js cannot compute are named once', async () => {
    const warnings: string[] = []
    const onWarning = (message: string) => warnings.push(message)
    const check = new DigestCheck({ name: 'list', onWarning }, () => null)
    const item = { entry: entry('a'), contentPath: bytesOf('a'), digests: { rmd160: digests.rmd160 }, line: 1 }
    for (let i = 0; i < 2; i++) {
      expect((await collect(check.checked(item, asyncOf([bytesOf('x')])))).toString()).toBe('x')
    }
    expect(warnings).toEqual(['list: this Node.js cannot compute rmd160, so umlcow does not check it'])
  })
})

describe('the content of mtree text', () => {
  it('comes from where content= and contents= say', async () => {
    const lines = './app/x content=dir/b size=3\n./app/y contents=./dir//b\n./a\n./dir/b'
    expect(await read(lines)).toMatchObject([
      { path: 'app/x', hardLinkTo: null, content: 'hi\n' },
      { path: 'app/y', hardLinkTo: null, content: 'hi\n' },
      { path: 'a', hardLinkTo: null, content: 'hi\n' },
      { path: 'dir/b', hardLinkTo: bytesOf('a'), size: 3 },
    ])
  })

  it.each([
    ['contents=../secret', 'UNSAFE_PATH'],
    ['contents=out/secret', 'UNSAFE_PATH'],
    ['contents=out', 'ENTRY_UNFIT'],
    ['contents=missing', 'ENTRY_UNFIT'],
  ])('is refused: %s', async (keyword, code) => {
    await expect(read(`./a ${keyword}`)).rejects.toMatchObject({ code })
  })

  it('is left out when it is optional and missing', async () => {
    const warnings: string[] = []
    const lines = './missing optional\n./out/secret optional\n./empty optional\n./x contents=missing optional'
    expect(await read(lines, { onWarning: (message) => warnings.push(message) })).toMatchObject([{ path: 'empty' }])
    expect(warnings).toEqual([
      'list: line 3: missing is optional and missing in the tree: left out',
      'list: line 4: out/secret is optional and missing in the tree: left out',
      'list: line 6: x is optional and missing in the tree: left out',
    ])
  })
})

describe('the tree of mtree text', () => {
  it('says types, targets and attributes that the text leaves to it', async () => {
    const lines = '/unset type\n./dir\n./a\n./out\n./empty nochange mode=0'
    const { mode, uid } = fs.statSync(path.join(makeTree().tree, 'empty'))
    expect(await read(lines)).toMatchObject([
      { path: 'dir', type: 'directory' },
      { path: 'a', type: 'file', content: 'hi\n' },
      { path: 'out', type: 'symlink', linkTarget: bytesOf('..') },
      { path: 'empty', type: 'file', mode: mode & 0o7777, uid },
    ])
  })

  it('has owners that the host knows', async () => {
    const { uid, gid } = (await read('/unset uid gid\n./a uname=root gname=0'))[0]!
    expect([uid, gid]).toEqual([0, 0])
    const unknown = read('./a uname=no_such_user')
    await expect(unknown).rejects.toMatchObject({
      code: 'UNKNOWN_USER',
      message: expect.stringContaining('line 3: uname'),
    })
  })
})
