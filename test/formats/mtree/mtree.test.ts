import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkEntry, type ManifestEntry } from '../../../src/formats/manifest/index.js'
import { readMtree, writeMtree } from '../../../src/formats/mtree/index.js'
import { escapeName, unescapeName } from '../../../src/formats/mtree/text.js'
import { runs } from '../../support/amount.js'
import { expectHardened, outcomeOf } from '../../support/archive-trials.js'
import {
  asyncOf,
  bytesOf,
  collect,
  cut,
  entry,
  expected,
  furtherName,
  listOf,
  treeArbitrary,
  withLinkCounts,
} from '../../support/manifest-entries.js'

const file = entry('d/first', { size: 701, uid: 3000000000, linkCount: 2, mtimeNs: 75_578_209n })
const small = [
  entry('', { type: 'directory', mode: 0o1777 }),
  file,
  furtherName('d/second \xff', file),
  entry('node', { type: 'character', device: { major: 300, minor: 3000 }, mode: 0o4755 }),
  entry('new\nline', { type: 'symlink', linkTarget: bytesOf('x y') }),
  entry('old', { type: 'socket', mtimeNs: -43_199_750_000_000n }),
]

const write = (entries: Iterable<ManifestEntry>) => collect(writeMtree(asyncOf(entries)))
const trial = async (source: AsyncIterable<Uint8Array>) => {
  const entries = await listOf(readMtree(source, { name: 'x.mtree' }))
  for (const one of entries) expect(() => checkEntry(one)).not.toThrow()
  return entries
}
const read = (text: string) => trial(cut(bytesOf(text), 7))
const kept = (tree: readonly ManifestEntry[]) =>
  expected(tree.map((one) => ({ ...one, xattrs: null }))).map((e) => e.entry)

describe('mtree', () => {
  it('gives back any tree, whether link counts are known or not', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, fc.boolean(), async (tree, isKnown) => {
        const bytes = await write(isKnown ? withLinkCounts(tree) : tree)
        for (const byte of bytes) expect(byte === 0x0a || (byte >= 0x20 && byte < 0x7f)).toBe(true)
        expect(await trial(cut(bytes, 4096))).toEqual(kept(tree))
      }),
      { numRuns: runs(60) },
    )
  })

  it('has known text', async () => {
    expect((await write(small)).toString()).toBe(
      [
        '#mtree',
        '. type=dir mode=1777 uid=0 gid=0 time=0.000000000',
        './d/first type=file mode=644 uid=3000000000 gid=0 time=0.075578209 size=701 nlink=2 inode=2',
        './d/second\\040\\377 type=file mode=644 uid=3000000000 gid=0 time=0.075578209 size=701 nlink=2 inode=2',
        './node type=char mode=4755 uid=0 gid=0 time=0.000000000 device=native,300,3000 inode=3',
        './new\\012line type=link mode=644 uid=0 gid=0 time=0.000000000 link=x\\040y inode=4',
        './old type=socket mode=644 uid=0 gid=0 time=-43200.250000000 inode=5',
        '',
      ].join('\n'),
    )
  })

  it('is read the same however the input is cut', async () => {
    const bytes = await write(small)
    for (let length = 1; length <= bytes.length; length++) {
      expect(await trial(cut(bytes, length)), `pieces of ${length}`).toEqual(kept(small))
    }
  })

  it('is refused when it is cut short inside a line', async () => {
    const bytes = await write(small)
    for (let length = 1; length <= bytes.length; length++) {
      const code = bytes[length - 1] === 0x0a ? null : 'TRUNCATED_ARCHIVE'
      expect(await outcomeOf(trial, bytes.subarray(0, length))).toBe(code)
    }
  })

  it('stands changed bytes', async () => {
    const counts = await expectHardened(trial, await write(small), 1500)
    expect(counts.get('BAD_ARCHIVE')).toBeGreaterThan(50)
    expect(counts.get(null)).toBeGreaterThan(50)
  })

  it('goes into directories and back, and has defaults', async () => {
    const text = [
      '#mtree v2.0',
      '/set type=file uid=1 gid=2 mode=0640 nlink=1',
      '. type=dir mode=0755',
      '    a\\sb size=3 time=5.75578209 flags=none tags=x,y ignore optional',
      '    d type=dir \\',
      '       mode=0700',
      '        deep type=link link=../a',
      '/unset mode',
      '/set mode=600 gid=9',
      '        e',
      '    ..',
      '    f',
      '..',
      '',
      '# the end',
      '',
    ].join('\n')
    const base = { uid: 1, gid: 2, mode: 0o640 }
    expect(await read(text)).toEqual([
      entry('', { ...base, type: 'directory', mode: 0o755 }),
      entry('a b', { ...base, size: 3, mtimeNs: 5_075_578_209n }),
      entry('d', { ...base, type: 'directory', mode: 0o700 }),
      entry('d/deep', { ...base, type: 'symlink', linkTarget: bytesOf('../a') }),
      entry('d/e', { uid: 1, gid: 9, mode: 0o600 }),
      entry('f', { uid: 1, gid: 9, mode: 0o600 }),
    ])
  })

  it('tells files on other file systems, and files with one name, apart', async () => {
    const line = (name: string, more: string) => `./${name} type=file mode=644 uid=0 gid=0 ${more}\n`
    const text = `${line('a', 'inode=1 resdevice=1')}${line('b', 'inode=1 resdevice=2')}${line('c', 'inode=3 nlink=1')}${line('d', 'inode=3 nlink=1')}`
    for (const { hardLinkTo } of await read(text)) expect(hardLinkTo).toBeNull()
  })

  const owned = 'mode=644 uid=0 gid=0'
  it.each([
    ['text', 'some text\n', 'NOT_ARCHIVE'],
    ['nothing', '', 'NOT_ARCHIVE'],
    ['a comment and nothing more', '# comment\n', 'NOT_ARCHIVE'],
    ['zeros', `${'\0'.repeat(100)}\n`, 'NOT_ARCHIVE'],
    ['a component ..', `#mtree\n./a/../b type=file ${owned}\n`, 'UNSAFE_PATH'],
    ['an escaped component ..', `#mtree\n./a\\057\\056./b type=file ${owned}\n`, 'UNSAFE_PATH'],
    ['an escaped NUL', `#mtree\n./a\\000 type=file ${owned}\n`, 'UNSAFE_PATH'],
    ['a way above the top', '#mtree\n..\n', 'BAD_ARCHIVE'],
    ['no owner', '#mtree\n./a type=file mode=644 gid=0\n', 'BAD_ARCHIVE'],
    ['a mode in words', '#mtree\n./a type=file mode=u+x uid=0 gid=0\n', 'BAD_ARCHIVE'],
    ['an unknown type', `#mtree\n./a type=door ${owned}\n`, 'BAD_ARCHIVE'],
    ['a device without a number', `#mtree\n./a type=char ${owned}\n`, 'BAD_ARCHIVE'],
    ['a device of another system', `#mtree\n./a type=char ${owned} device=freebsd,1,2,3\n`, 'BAD_ARCHIVE'],
    ['a link to nothing', `#mtree\n./a type=link ${owned} link=\n`, 'BAD_ARCHIVE'],
    ['an unknown escape', `#mtree\n./a\\q type=file ${owned}\n`, 'BAD_ARCHIVE'],
    ['a second of 10^9 nanoseconds', `#mtree\n./a type=file ${owned} time=1.1000000000\n`, 'BAD_ARCHIVE'],
    ['an owner of 33 bits', '#mtree\n./a type=file mode=644 gid=0 uid=4294967296\n', 'BAD_ARCHIVE'],
    ['an endless line', `#mtree\n${'x'.repeat(2 ** 21)}`, 'BAD_ARCHIVE'],
    ['an endless line of many', `#mtree\n${'\\\n'.repeat(2 ** 21)}`, 'BAD_ARCHIVE'],
    ['an endless path', `#mtree\n${`${'d'.repeat(250)} type=dir ${owned}\n`.repeat(300)}`, 'UNSAFE_PATH'],
  ])('refuses %s', async (_what, text, code) => {
    expect(await outcomeOf(trial, bytesOf(text))).toBe(code)
  })

  it('refuses to write a further name before the first, and entries that are none', async () => {
    await expect(write([furtherName('b', entry('a'))])).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
    await expect(write([entry('a', { type: 'block' })])).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
  })
})

describe('names in mtree text', () => {
  it('come back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (name) => Buffer.from(name).equals(unescapeName(bytesOf(escapeName(name)))!)),
    )
  })
})
