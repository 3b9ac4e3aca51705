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

  it('is refused when it is cut short anywhere before its end mark', async () => {
    const bytes = await write(small)
    const last = bytes.length - 1024
    const lengths = Array.from({ length: last + 512 }, (_, length) => length)
    for (const length of sampleOf('cut short', lengths, 100)) {
      expect(await outcomeOf(trial, bytes.subarray(0, length)), `${length} bytes`).toBe('TRUNCATED_ARCHIVE')
    }
    expect(await outcomeOf(trial, bytes.subarray(0, last + 512))).toBeNull()
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
    ['a sparse file of GNU', crafted({ type: 'S', magic: 'ustar  \0' }), 'ARCHIVE_FEATURE'],
    [
      'a sparse file of pax',
      Buffer.concat([extended('x', records(['GNU.sparse.major', '1'])), crafted({})]),
      'ARCHIVE_FEATURE',
    ],
    ['a part of a volume', crafted({ type: 'M' }), 'ARCHIVE_FEATURE'],
    ['an extension and nothing behind it', extended('x', records(['path', 'x'])), 'BAD_ARCHIVE'],
    ['text', Buffer.alloc(512, 'text'), 'NOT_ARCHIVE'],
    ['an image that begins with zeros', Buffer.concat([end, Buffer.alloc(4096, 'ext4')]), 'NOT_ARCHIVE'],
  ])('refuses %s', async (_what, bytes, code) => {
    expect(await outcomeOf(trial, Buffer.concat([bytes, end]))).toBe(code)
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
    expect((await readOne(crafted({ name: 'n', prefix: 'p/q', magic: 'ustar  \0' }))).path.toString()).toBe('n')
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

  it('refuses to write what the format cannot hold, and content of another length', async () => {
    const xattrs = [{ name: bytesOf('user.a=b'), value: bytesOf('') }]
    await expect(write([entry('f', { xattrs })])).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
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
