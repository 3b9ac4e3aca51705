import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../src/bytes/fast.js'
import { readTar, writeTar } from '../../../src/formats/tar/index.js'
import { checksumOf, tarHeader } from '../../../src/formats/tar/layout.js'
import { parsePaxRecords, parsePaxTime, paxTime, serializePaxRecord } from '../../../src/formats/tar/pax-records.js'
import { runs, sampleOf } from '../../support/amount.js'
import { expectHardened, outcomeOf } from '../../support/archive-trials.js'
import {
  asyncOf,
  bytesOf,
  collect,
  cut,
  entry,
  expected,
  furtherName,
  itemsOf,
  listOf,
  readAll,
  treeArbitrary,
} from '../../support/manifest-entries.js'

const file = entry('d/first', { size: 700, uid: 3000000000, mtimeNs: -1n })
const small = [
  entry('', { type: 'directory', mode: 0o1777 }),
  entry('d', { type: 'directory' }),
  file,
  furtherName('d/second \xff', file),
  entry('node', { type: 'character', device: { major: 300, minor: 3000 }, mode: 0o4755 }),
  entry('link', { type: 'symlink', linkTarget: bytesOf('x'.repeat(150)) }),
]

const write = (entries: Iterable<ReturnType<typeof entry>>) => collect(writeTar(itemsOf(entries)))
const trial = (source: AsyncIterable<Uint8Array>) => readAll(readTar(source, { name: 'x.tar' }))

/** Makes the checksums of all blocks that may be headers right again, so that fields behind them are reached. */
function repair(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512)
    if (block.toString('latin1', 257, 262) !== 'ustar') continue
    block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, tarHeader.offsetOf('checksum'), 'latin1')
  }
}

/** Where each member ends, by the length of archives of ever more of them. */
async function memberEnds(bytes: Buffer): Promise<number[]> {
  const ends: number[] = []
  for (let count = 1; count <= small.length; count++) ends.push((await write(small.slice(0, count))).length - 1024)
  expect(ends.at(-1)).toBe(bytes.length - 1024)
  return ends
}

/** A header with changed fields, and what follows it. */
function crafted(fields: Partial<Record<keyof ReturnType<typeof tarHeader.parse>, string>>, body = ''): Buffer {
  const block = Buffer.alloc(512)
  const values = {
    name: 'f',
    mode: '644',
    uid: '0',
    gid: '0',
    size: '0',
    mtime: '0',
    type: '0',
    magic: 'ustar\x0000',
    ...fields,
  }
  for (const [field, value] of Object.entries(values)) block.write(value, tarHeader.offsetOf(field as 'name'), 'latin1')
  repair(block)
  if (!values.magic.startsWith('ustar')) block.write(checksumOf(block).toString(8), 148, 'latin1')
  return Buffer.concat([block, Buffer.from(body, 'latin1'), Buffer.alloc((512 - (body.length % 512)) % 512)])
}
const end = Buffer.alloc(1024)
const records = (...pairs: [string, string][]) =>
  Buffer.concat(pairs.map(([keyword, value]) => serializePaxRecord(keyword, bytesOf(value)))).toString('latin1')
const extended = (type: string, body: string) => crafted({ type, size: body.length.toString(8) }, body)
const readOne = async (...parts: Buffer[]) => (await trial(cut(Buffer.concat([...parts, end]), 512)))[0]!.entry

describe('tar', () => {
  it('gives back any tree', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, async (tree) => {
        const kept = tree.filter(({ type }) => type !== 'socket')
        const warnings: string[] = []
        const bytes = await collect(writeTar(itemsOf(tree), { onWarning: (text) => warnings.push(text) }))
        expect(bytes.length % 512).toBe(0)
        expect(await trial(cut(bytes, 4096))).toEqual(expected(kept))
        expect(warnings).toHaveLength(tree.length - kept.length)
      }),
      { numRuns: runs(60) },
    )
  })

  it('is read the same however the input is cut', async () => {
    const bytes = await write(small)
    const whole = expected(small)
    for (let length = 1; length <= 1100; length += length < 20 ? 1 : 37) {
      expect(await trial(cut(bytes, length)), `pieces of ${length}`).toEqual(whole)
    }
  })

  it('passes over content that nobody reads, or not all of', async () => {
    const bytes = await write(small)
    const paths = (await listOf(readTar(cut(bytes, 100)))).map(({ entry: { path } }) => latin1Text(path))
    expect(paths).toEqual(small.map(({ path }) => latin1Text(path)))
    for await (const { content } of readTar(cut(bytes, 100))) for await (const _ of content ?? []) break
  })

  it('is refused when it is cut short inside a member', async () => {
    const bytes = await write(small)
    const last = bytes.length - 1024
    const ends = await memberEnds(bytes)
    const lengths = Array.from({ length: last + 512 }, (_, length) => length).filter((length) => !ends.includes(length))
    for (const length of sampleOf('cut short', lengths, 100)) {
      expect(await outcomeOf(trial, bytes.subarray(0, length)), `${length} bytes`).toBe('TRUNCATED_ARCHIVE')
    }
    expect(await outcomeOf(trial, bytes.subarray(0, last + 512))).toBeNull()
  })

  it('without an end mark is read up to its last member, with a warning', async () => {
    const bytes = await write(small)
    const ends = await memberEnds(bytes)
    expect(ends).toHaveLength(small.length)
    for (const [i, end] of ends.entries()) {
      const warnings: string[] = []
      const options = { name: 'x.tar', onWarning: (message: string) => warnings.push(message) }
      const read = await readAll(readTar(cut(bytes.subarray(0, end), 700), options))
      expect(read).toEqual(expected(small).slice(0, i + 1))
      expect(warnings).toEqual(['x.tar: the archive has no end mark: entries may be missing'])
    }
  })

  it('closes its source when the reader stops early', async () => {
    let isClosed = false
    const source = async function* () {
      try {
        yield* cut(await write(small), 512)
      } finally {
        isClosed = true
      }
    }
    for await (const _ of readTar(source())) break
    expect(isClosed).toBe(true)
  })

  it('stands changed bytes, with checksums wrong or right', async () => {
    const bytes = await write(small)
    const raw = await expectHardened(trial, bytes, 300)
    expect(raw.get('NOT_ARCHIVE')).toBeGreaterThan(0)
    const repaired = await expectHardened(trial, bytes, 1500, repair)
    expect(repaired.get('BAD_ARCHIVE')).toBeGreaterThan(50)
    expect(repaired.get(null)).toBeGreaterThan(50)
  })

  it.each([
    ['a component ..', crafted({ name: 'a/../b' }), 'UNSAFE_PATH'],
    ['a hard link out of the tree', crafted({ type: '1', link: '../x' }), 'UNSAFE_PATH'],
    ['a NUL in a pax path', Buffer.concat([extended('x', records(['path', 'a\0b'])), crafted({})]), 'UNSAFE_PATH'],
    ['no name', crafted({ name: '' }), 'UNSAFE_PATH'],
    [
      'a hard link without a name',
      Buffer.concat([crafted({}), crafted({ type: '1', name: '.', link: 'f' })]),
      'UNSAFE_PATH',
    ],
    ['a hard link to nothing', crafted({ type: '1', link: 'x' }), 'BAD_ARCHIVE'],
    ['a symlink to nothing', crafted({ type: '2' }), 'BAD_ARCHIVE'],
    ['a size that is none', crafted({ size: '9' }), 'BAD_ARCHIVE'],
    ['a negative size', crafted({ size: '\xff'.repeat(12) }), 'BAD_ARCHIVE'],
    ['a huge size', crafted({ size: `\x80${'\xff'.repeat(11)}` }), 'BAD_ARCHIVE'],
    ['2^52 bytes of content', crafted({ size: `\x80\0\0\0\0\x10${'\0'.repeat(6)}` }), 'TRUNCATED_ARCHIVE'],
    ['2^52 bytes of records', crafted({ type: 'x', size: `\x80\0\0\0\0\x10${'\0'.repeat(6)}` }), 'BAD_ARCHIVE'],
    ['a device number too large', crafted({ type: '3', major: '0010000' }), 'BAD_ARCHIVE'],
    ['an owner of 33 bits', Buffer.concat([extended('x', records(['uid', '4294967296'])), crafted({})]), 'BAD_ARCHIVE'],
    ['a record that is none', Buffer.concat([extended('x', '8 path=x\n'), crafted({})]), 'BAD_ARCHIVE'],
    ['a list of long names of old GNU tar', crafted({ type: 'N' }), 'ARCHIVE_FEATURE'],
    ['a type that nobody knows', crafted({ type: '\x1b' }), 'ARCHIVE_FEATURE'],
    [
      'a later part of a volume in pax',
      Buffer.concat([extended('g', records(['GNU.volume.offset', '5'])), crafted({})]),
      'ARCHIVE_FEATURE',
    ],
    ['a part of a volume', crafted({ type: 'M' }), 'ARCHIVE_FEATURE'],
    ['an extension and nothing behind it', extended('x', records(['path', 'x'])), 'BAD_ARCHIVE'],
    ['text', Buffer.alloc(512, 'text'), 'NOT_ARCHIVE'],
    ['an image that begins with zeros', Buffer.concat([end, Buffer.alloc(4096, 'ext4')]), 'NOT_ARCHIVE'],
  ])('refuses %s', async (_what, bytes, code) => {
    expect(await outcomeOf(trial, Buffer.concat([bytes, end]))).toBe(code)
  })

  it.each([
    [
      'sparse',
      crafted({ type: 'S', name: 'a\x1b' }),
      'x.tar: a\\x1b: is stored in a sparse form that umlcow does not read at offset 512',
    ],
    [
      'a made-up name',
      Buffer.concat([extended('x', records(['GNU.sparse.name', 'real'])), crafted({})]),
      'x.tar: real: is stored in a sparse form that umlcow does not read at offset 1536',
    ],
    ['a volume', crafted({ type: 'M', name: 'big' }), 'x.tar: big: continues a file of another volume at offset 512'],
    ['a type', crafted({ type: '\x1b' }), 'x.tar: f: has the type "\\x1b", which umlcow does not know at offset 512'],
    ['an owner', crafted({ uid: '9' }), 'x.tar: f: expected a uid of at most 4294967295 at offset 512'],
    ['a path', crafted({ name: '../b' }), 'x.tar: ../b: a path with the component ".." at offset 512'],
    [
      'a link',
      crafted({ type: '1', link: 'no' }),
      'x.tar: f: a hard link to no, which does not come before it at offset 512',
    ],
    ['content', crafted({ size: '7777' }), 'x.tar: f: the archive ends inside the content at offset 1024'],
  ])('names the entry and the offset in the error about %s', async (_what, bytes, message) => {
    await expect(trial(cut(Buffer.concat([crafted({ name: 'first' }), bytes]), 512))).rejects.toMatchObject({ message })
  })

  it('names the way out of the sparse form of star', async () => {
    const hint = expect.stringContaining('tar --sparse --format=posix')
    await expect(trial(cut(crafted({ type: 'S' }), 512))).rejects.toMatchObject({ hint })
  })

  it('with checksums of signed bytes is read', async () => {
    const signed = crafted({ name: 'caf\xe9' })
    const sum = checksumOf(signed) - 256
    signed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    expect(latin1Text((await readOne(signed)).path)).toBe('caf\xe9')
    signed.write(`${(sum - 1).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    expect(await outcomeOf(trial, signed)).toBe('NOT_ARCHIVE')
  })

  it.each([
    ['of ustar', 'ustar\x0000', ''],
    ['of GNU tar', 'ustar  \0', ''],
    ['of the old form', '', ''],
    ['of ustar, at the end', 'ustar\x0000', 'end'],
    ['of ustar, without an end mark', 'ustar\x0000', 'cut'],
  ])('with a hard link with a size and no content is read: %s', async (_what, magic, at) => {
    const file = crafted({ name: 'a', size: '3', magic }, 'hi\n')
    const link = crafted({ name: 'b', type: '1', link: 'a', size: '3', magic })
    const rest = { '': [crafted({ name: 'c', magic }), end], end: [end], cut: [] }[at] ?? []
    const items = await trial(cut(Buffer.concat([file, link, ...rest]), 512))
    expect(items.map(({ entry: { path, size } }) => `${path} ${size}`).slice(0, 2)).toEqual(['a 3', 'b 3'])
    expect(items).toHaveLength(at === '' ? 3 : 2)
  })

  it('with a hard link and its content is read: pax', async () => {
    const parts = [
      crafted({ name: 'a', size: '3' }, 'hi\n'),
      crafted({ name: 'b', type: '1', link: 'a', size: '3' }, 'hi\n'),
    ]
    for (const first of [Buffer.alloc(0), extended('g', records(['comment', 'x']))]) {
      const items = await trial(cut(Buffer.concat([first, ...parts, crafted({ name: 'c' }), end]), 512))
      expect(items.map(({ entry: { path } }) => `${path}`)).toEqual(['a', 'b', 'c'])
    }
  })

  it('with a hard link whose content nobody can tell from a member is refused', async () => {
    const link = crafted({ name: 'b', type: '1', link: 'a', size: '512' })
    const pax = extended('g', records(['comment', 'x']))
    await expect(
      trial(cut(Buffer.concat([pax, crafted({ name: 'a' }), link, crafted({ name: 'c' }), end]), 512)),
    ).rejects.toMatchObject({
      code: 'ARCHIVE_FEATURE',
      message: 'x.tar: b: a hard link with a size: the next block may be its content or another member at offset 1536',
      hint: expect.stringContaining('--from directory'),
    })
  })

  it('of a commit without files is empty', async () => {
    const global = extended('g', records(['comment', '1234567890']))
    expect(await trial(cut(Buffer.concat([global, Buffer.alloc(9216)]), 512))).toEqual([])
    expect(await trial(cut(Buffer.alloc(10_240), 512))).toEqual([])
    expect(await outcomeOf(trial, Buffer.alloc(0))).toBe('TRUNCATED_ARCHIVE')
  })

  it('with directories whose content is a list of names is read', async () => {
    const dumped = crafted({ name: 'd/', type: 'D', size: '1130', magic: 'ustar  \0' }, 'Yx'.repeat(300))
    const old = crafted({ name: 'old/', type: '\0', size: '1130', magic: '' }, 'Yx'.repeat(300))
    const items = await trial(cut(Buffer.concat([dumped, old, crafted({}), end]), 512))
    expect(items.map(({ entry: { path, type, size } }) => `${path} ${type} ${size}`)).toEqual([
      'd directory 0',
      'old directory 0',
      'f file 0',
    ])
  })

  it('with a name that comes twice gives links the content that they had', async () => {
    const link = (name: string, to: string) => crafted({ name, type: '1', link: to })
    const items = await trial(
      cut(
        Buffer.concat([
          crafted({ name: 'a', size: '3' }, 'one'),
          link('b', 'a'),
          link('c', 'b'),
          crafted({ name: 'a', size: '4' }, 'four'),
          // b and c are still the first file, and a is the second one.
          link('d', 'c'),
          link('e', 'a'),
          link('a', 'a'),
          end,
        ]),
        512,
      ),
    )
    expect(items.map(({ entry: { path, hardLinkTo, size } }) => `${path} ${hardLinkTo} ${size}`)).toEqual([
      'a null 3',
      'b a 3',
      'c a 3',
      'a null 4',
      'd c 3',
      'e a 4',
      'a a 4',
    ])
  })

  it('tells when something follows the end mark', async () => {
    const warnings: string[] = []
    const options = { name: 'x.tar', onWarning: (message: string) => warnings.push(message) }
    const whole = await write(small)
    await readAll(readTar(cut(Buffer.concat([whole, Buffer.alloc(10_240)]), 1000), options))
    expect(warnings).toEqual([])
    expect(await readAll(readTar(cut(Buffer.concat([whole, whole]), 1000), options))).toHaveLength(small.length)
    expect(warnings).toEqual(['x.tar: umlcow does not read the bytes after the end mark of the archive'])
  })

  it('reads the forms of others', async () => {
    expect((await readOne(crafted({ name: '/./a//b/' }))).path.toString()).toBe('a/b')
    expect((await readOne(crafted({ name: 'old/', magic: '' }))).type).toBe('directory')
    expect((await readOne(crafted({ name: 'n', prefix: 'p/q' }))).path.toString()).toBe('p/q/n')
    expect((await readOne(crafted({ name: 'n', prefix: 'p/q', magic: 'ustar\0\0\0' }))).path.toString()).toBe('p/q/n')
    expect((await readOne(crafted({ name: 'n', prefix: 'p/q', magic: 'ustar  \0' }))).path.toString()).toBe('n')
    expect((await readOne(crafted({ type: '7' }))).type).toBe('file')
    expect((await readOne(extended('X', records(['path', 'sun'])), crafted({}))).path.toString()).toBe('sun')
    const binary = extended('x', records(['hdrcharset', 'BINARY'], ['path', 'caf\xe9']))
    expect(latin1Text((await readOne(binary, crafted({}))).path)).toBe('caf\xe9')
    expect((await readOne(crafted({ uid: '\x0000017' }))).uid).toBe(15)
    const long = `${'l'.repeat(300)}\0`
    const gnu = await readOne(extended('L', long), extended('K', long), crafted({ type: '2' }))
    expect([gnu.path.length, gnu.linkTarget?.length]).toEqual([300, 300])
    expect((await readOne(crafted({ mtime: `\xff${'\xff'.repeat(11)}` }))).mtimeNs).toBe(-(10n ** 9n))
    expect((await readOne(crafted({ uid: '\x80\0\0\0\xb2\xd0\x5e\x00' }))).uid).toBe(3000000000)
    const global = await readOne(extended('g', records(['uid', '7'], ['comment', 'x'])), crafted({}))
    expect(global.uid).toBe(7)
    const local = await readOne(extended('g', records(['uid', '7'])), extended('x', records(['uid', ''])), crafted({}))
    expect(local.uid).toBe(0)
    expect((await readOne(crafted({ type: 'V', name: 'label' }), crafted({}))).path.toString()).toBe('f')
  })

  it('writes names of extended attributes with "=" and "%" as GNU tar does, and reads them', async () => {
    const xattrs = ['user.a=b', 'user.%3D', 'user.%25%'].map((name) => ({ name: bytesOf(name), value: bytesOf('v') }))
    const archive = await write([entry('f', { xattrs })])
    for (const name of ['a%3Db', '%253D', '%2525%25'])
      expect(archive.includes(`SCHILY.xattr.user.${name}=v`)).toBe(true)
    expect((await listOf(readTar(asyncOf([archive]))))[0]!.entry.xattrs).toEqual(xattrs)
    const two = records(['SCHILY.xattr.user.a%z', '1'], ['SCHILY.xattr.user.a%25z', '2'])
    expect((await readOne(extended('x', two), crafted({}))).xattrs).toEqual([
      { name: bytesOf('user.a%z'), value: bytesOf('2') },
    ])
  })

  it('refuses to write what the format cannot hold, and content of another length', async () => {
    await expect(write([entry('a/../f')])).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
    for (const length of [9, 11]) {
      const item = { entry: entry('f', { size: 10 }), content: cut(Buffer.alloc(length), 4) }
      await expect(collect(writeTar(asyncOf([item])))).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    }
  })
})

describe('pax records', () => {
  it('count their own digits', () => {
    for (let length = 0; length < 1200; length++) {
      const record = serializePaxRecord('k', Buffer.alloc(length, 'v'))
      expect(Number.parseInt(latin1Text(record), 10)).toBe(record.length)
      expect(parsePaxRecords(record)?.get('k')?.length).toBe(length)
    }
  })

  it('give times back, to the nanosecond', () => {
    fc.assert(fc.property(fc.bigInt(-(2n ** 70n), 2n ** 70n), (time) => parsePaxTime(bytesOf(paxTime(time))) === time))
    expect(parsePaxTime(bytesOf('-0.5'))).toBe(-500_000_000n)
    expect(parsePaxTime(bytesOf('-0.0000000001'))).toBe(-1n)
    for (const none of ['', '.', '1.x', '1e3', ' 1', '-']) expect(parsePaxTime(bytesOf(none)), none).toBeNull()
  })
})
