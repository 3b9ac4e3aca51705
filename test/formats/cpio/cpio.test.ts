import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../src/bytes/fast.js'
import { readCpio, writeCpio } from '../../../src/formats/cpio/index.js'
import { headerSize, writeNewcHeader } from '../../../src/formats/cpio/layout.js'
import { wholeContent } from '../../../src/formats/manifest/content.js'
import type { ManifestEntry } from '../../../src/formats/manifest/index.js'
import { runs } from '../../support/amount.js'
import { expectHardened, outcomeOf } from '../../support/archive-trials.js'
import {
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
  withLinkCounts,
} from '../../support/manifest-entries.js'

const file = entry('d/first', { size: 701, uid: 3000000000, linkCount: 2 })
const small = [
  entry('', { type: 'directory', mode: 0o1777 }),
  entry('d', { type: 'directory' }),
  file,
  furtherName('d/second \xff', file),
  entry('node', { type: 'character', device: { major: 300, minor: 3000 }, mode: 0o4755 }),
  entry('link', { type: 'symlink', linkTarget: bytesOf('xyz') }),
  entry('TRAILER!!!', { size: 2 }),
  entry('sock', { type: 'socket' }),
]

const write = (entries: Iterable<ManifestEntry>) => collect(writeCpio(itemsOf(entries)))
const trial = (source: AsyncIterable<Uint8Array>) => readAll(readCpio(source, { name: 'x.cpio' }))

/** What the format keeps of a tree. */
function kept(tree: readonly ManifestEntry[]): ManifestEntry[] {
  return tree.map((one) => {
    const seconds = BigInt.asIntN(65, one.mtimeNs / 10n ** 9n - (one.mtimeNs % 10n ** 9n < 0n ? 1n : 0n))
    const clamped = seconds < 0n ? 0n : seconds > 0xffffffffn ? 0xffffffffn : seconds
    return { ...one, xattrs: null, mtimeNs: clamped * 10n ** 9n }
  })
}

const plain = { ino: 1, mode: 0o100644, uid: 0, gid: 0, nlink: 1, mtime: 0, filesize: 0, check: 0, namesize: 0 }
const noDevices = { devmajor: 0, devminor: 0, rdevmajor: 0, rdevminor: 0 }

function member(name: string, change: Partial<typeof plain & typeof noDevices> = {}, content = ''): Buffer {
  const namesize = name.length + 1
  const fields = { ...plain, ...noDevices, namesize, filesize: content.length, ...change }
  const pad = (length: number) => '\0'.repeat((4 - (length % 4)) % 4)
  const header = Buffer.alloc(headerSize)
  writeNewcHeader(fields, header, 0)
  const text = `${header.toString('latin1')}${name}\0${pad(110 + namesize)}${content}${pad(content.length)}`
  return bytesOf(text)
}
const trailer = member('TRAILER!!!')

/** Where each member of `small` ends, by the length of archives of ever more of them. */
async function memberEnds(): Promise<number[]> {
  const ends: number[] = []
  for (let count = 1; count <= small.length; count++) {
    ends.push((await write(small.slice(0, count))).length - trailer.length)
  }
  return ends
}
const described = async (...parts: Buffer[]) =>
  (await trial(cut(Buffer.concat([...parts, trailer]), 64))).map(
    ({ entry: { path, hardLinkTo, size }, content }) =>
      `${path}${hardLinkTo === null ? '' : ` = ${hardLinkTo}`} ${size}${content === null ? '' : ` "${content}"`}`,
  )

describe('cpio', () => {
  it('gives back any tree whose link counts are known, in its order', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, async (tree) => {
        const bytes = await write(withLinkCounts(tree))
        const back = await trial(cut(bytes, 4096))
        const order = tree.map(({ path }) => latin1Text(path))
        // Empty files with several names come when the last one has come.
        back.sort((a, b) => order.indexOf(latin1Text(a.entry.path)) - order.indexOf(latin1Text(b.entry.path)))
        expect(back).toEqual(expected(kept(tree)))
      }),
      { numRuns: runs(60) },
    )
  })

  it('keeps hard links together where nobody knew of them', async () => {
    const empty = entry('empty')
    const full = entry('full', { size: 5 })
    const tree = [empty, full, furtherName('e2', empty), furtherName('f2', full), furtherName('f3', full)]
    const back = await trial(cut(await write(tree), 1000))
    expect(back.map(({ entry: one }) => `${one.path} ${one.hardLinkTo}`).sort()).toEqual(
      ['e2 empty', 'empty null', 'f2 full', 'f3 full', 'full null'].sort(),
    )
  })

  it('is read the same however the input is cut', async () => {
    const bytes = await write(small)
    for (let length = 1; length <= 1100; length += length < 20 ? 1 : 37) {
      expect(await trial(cut(bytes, length)), `pieces of ${length}`).toEqual(expected(small))
    }
  })

  it('is refused when it is cut short inside a member', async () => {
    const bytes = await write(small)
    const ends = await memberEnds()
    for (let length = 0; length < bytes.length - 3; length++) {
      if (ends.includes(length)) continue
      expect(await outcomeOf(trial, bytes.subarray(0, length)), `${length} bytes`).toBe('TRUNCATED_ARCHIVE')
    }
  })

  it('without a trailer is read up to its last member, with a warning', async () => {
    const bytes = await write(small)
    for (const [i, end] of (await memberEnds()).entries()) {
      const warnings: string[] = []
      const options = { name: 'x.cpio', onWarning: (message: string) => warnings.push(message) }
      const read = await readAll(readCpio(cut(bytes.subarray(0, end), 70), options))
      expect(read).toEqual(expected(small).slice(0, i + 1))
      expect(warnings).toEqual(['x.cpio: the archive has no end mark: entries may be missing'])
    }
  })

  it('without a trailer is refused when it lacks the content of a hard link', async () => {
    const links = { ino: 7, nlink: 3 }
    const cutShort = Buffer.concat([member('a', links), member('b', links)])
    expect(await outcomeOf(trial, cutShort)).toBe('TRUNCATED_ARCHIVE')
  })

  it('passes over content that nobody reads', async () => {
    expect(await listOf(readCpio(cut(await write(small), 100)))).toHaveLength(small.length)
  })

  it('stands changed bytes', async () => {
    const counts = await expectHardened(trial, await write(small), 1500)
    expect(counts.get('BAD_ARCHIVE')).toBeGreaterThan(50)
    expect(counts.get(null)).toBeGreaterThan(50)
  })

  it('tells when something follows the trailer', async () => {
    const warnings: string[] = []
    const options = { name: 'x.cpio', onWarning: (message: string) => warnings.push(message) }
    const whole = await write(small)
    await readAll(readCpio(cut(Buffer.concat([whole, Buffer.alloc(512)]), 100), options))
    expect(warnings).toEqual([])
    const rest = bytesOf('rest')
    expect(await readAll(readCpio(cut(Buffer.concat([whole, rest]), 100), options))).toHaveLength(small.length)
    expect(warnings).toEqual(['x.cpio: umlcow does not read the bytes after the end mark of the archive'])
  })

  it('reads the parts of an initramfs, as the kernel does', async () => {
    const links = { ino: 7, nlink: 2 }
    const early = Buffer.concat([member('a', links), trailer])
    for (const zeros of [0, 4, 512]) {
      // The numbers of files begin anew in each part.
      const parts = [early, Buffer.alloc(zeros), member('b', links, 'late')]
      expect(await described(...parts)).toEqual(['a 0 ""', 'b 4 "late"'])
    }
    const shifted = Buffer.concat([early, Buffer.alloc(3), member('b'), trailer])
    const warnings: string[] = []
    await readAll(readCpio(cut(shifted, 100), { onWarning: (message) => warnings.push(message) }))
    expect(warnings).toHaveLength(1)
  })

  it('refuses a part of an initramfs that is compressed, and says how to unpack it', async () => {
    const early = Buffer.concat([member('a'), trailer, Buffer.alloc(512 - 4)])
    const bytes = Buffer.concat([early, Buffer.of(0x28, 0xb5, 0x2f, 0xfd), Buffer.alloc(100)])
    await expect(trial(cut(bytes, 100))).rejects.toMatchObject({
      code: 'ARCHIVE_FEATURE',
      message: `x.cpio: the next part of the archive is compressed with zstd at offset ${early.length}`,
      hint: `unpack that part: tail -c +${early.length + 1} FILE | zstdcat`,
    })
  })

  it('takes names and targets that are padded with NULs', async () => {
    expect(await described(member(`f${'\0'.repeat(38)}`, {}, 'hi'))).toEqual(['f 2 "hi"'])
    const [link] = await trial(cut(Buffer.concat([member('l', { mode: 0o120777 }, 'to\0\0\0'), trailer]), 9))
    expect(link?.entry.linkTarget?.toString()).toBe('to')
    const padded = member(`TRAILER!!!${'\0'.repeat(9)}`)
    expect(await trial(cut(Buffer.concat([member('f'), padded]), 64))).toHaveLength(1)
  })

  it('with checksums is read, and they are compared', async () => {
    const crc = (check: number) => {
      const bytes = member('f', { check }, 'hi\xff')
      bytes.write('070702', 0, 'latin1')
      return bytes
    }
    const sum = 0x68 + 0x69 + 0xff
    expect(await described(crc(sum))).toHaveLength(1)
    const wrong = Buffer.concat([crc(sum + 1), trailer])
    const message = `x.cpio: f: the checksum of the content is ${sum}, but the header says ${sum + 1}: the archive is damaged at offset 115`
    await expect(trial(cut(wrong, 64))).rejects.toMatchObject({ code: 'BAD_ARCHIVE', message })
    // Also when nothing reads the content.
    await expect(listOf(readCpio(cut(wrong, 64)))).rejects.toMatchObject({ code: 'BAD_ARCHIVE' })
  })

  it('with checksums, they were not compared when the content was read at once', async () => {
    const readAtOnce = async (check: number) => {
      const bytes = Buffer.concat([member('f', { check }, 'hi\xff'), trailer])
      bytes.write('070702', 0, 'latin1')
      for await (const item of readCpio([bytes])) expect(wholeContent(item)).toHaveLength(3)
    }
    await readAtOnce(0x68 + 0x69 + 0xff)
    for (const check of [0, 1]) await expect(readAtOnce(check)).rejects.toMatchObject({ code: 'BAD_ARCHIVE' })
  })

  it('names the entry and the offset in errors', async () => {
    const message = 'x.cpio: d/\\x1b: the mode 070644 has an unknown type at offset 112'
    const bytes = Buffer.concat([member('f'), member('d/\x1b', { mode: 0o070644 })])
    await expect(trial(cut(bytes, 64))).rejects.toMatchObject({ message })
    const cutShort = member('f', { filesize: 9 })
    await expect(trial(cut(cutShort, 64))).rejects.toMatchObject({
      message: 'x.cpio: f: the archive ends inside the content at offset 112',
    })
  })

  it('refuses names of one file that are not one', async () => {
    const links = { ino: 7, nlink: 3 }
    const symlink = { ...links, mode: 0o120777 }
    for (const parts of [
      [member('a', links, 'one'), member('b', links, 'other')],
      [member('a', links), member('b', links, 'one'), member('c', links, 'other')],
      [member('a', symlink, 'target'), member('b', links, 'content')],
      [member('a', links), member('b', symlink, 'target')],
    ]) {
      expect(await outcomeOf(trial, Buffer.concat([...parts, trailer]))).toBe('BAD_ARCHIVE')
    }
  })

  it('gives content that stands with the last name to the first', async () => {
    const links = { ino: 7, nlink: 3 }
    expect(
      await described(member('a', links), member('x', { ino: 8 }), member('b', links), member('c', links, 'hello')),
    ).toEqual(['x 0 ""', 'a 5 "hello"', 'b = a 5', 'c = a 5'])
    // With every name, or with the first.
    expect(await described(member('a', links, 'hi'), member('b', links, 'hi'), member('c', links))).toEqual([
      'a 2 "hi"',
      'b = a 2',
      'c = a 2',
    ])
    // An empty file, complete and not.
    expect(await described(member('a', { ino: 7, nlink: 2 }), member('b', { ino: 7, nlink: 2 }), member('x'))).toEqual([
      'a 0 ""',
      'b = a 0',
      'x 0 ""',
    ])
    expect(await described(member('a', links), member('b', links), member('x'))).toEqual([
      'x 0 ""',
      'a 0 ""',
      'b = a 0',
    ])
    // The same number on another file system is another file.
    expect(await described(member('a', links, '1'), member('b', { ...links, devminor: 1 }, '2'))).toEqual([
      'a 1 "1"',
      'b 1 "2"',
    ])
  })

  it.each([
    ['a component ..', member('../x'), 'UNSAFE_PATH'],
    ['a NUL in a name', member('a\0b'), 'UNSAFE_PATH'],
    ['a type that is none', member('x', { mode: 0o070644 }), 'BAD_ARCHIVE'],
    ['content of a fifo', member('x', { mode: 0o010644 }, 'x'), 'BAD_ARCHIVE'],
    ['a name of 4 GiB', member('x', { namesize: 0xffffffff }), 'BAD_ARCHIVE'],
    ['a name without an end', member('xyz', { namesize: 3 }), 'BAD_ARCHIVE'],
    ['a target of 4 GiB', member('x', { mode: 0o120777, filesize: 0xffffffff }), 'BAD_ARCHIVE'],
    ['content of 4 GiB that is not there', member('x', { filesize: 0xffffffff }), 'TRUNCATED_ARCHIVE'],
    ['a device number too large', member('x', { mode: 0o020644, rdevmajor: 4096 }), 'BAD_ARCHIVE'],
    ['another form', bytesOf(`070707${'0'.repeat(200)}`), 'NOT_ARCHIVE'],
    ['the old binary form', Buffer.concat([Buffer.of(0xc7, 0x71), Buffer.alloc(200)]), 'NOT_ARCHIVE'],
    ['text', bytesOf('text '.repeat(50)), 'NOT_ARCHIVE'],
    ['a gap', Buffer.concat([member('x'), Buffer.alloc(4), member('y')]), 'BAD_ARCHIVE'],
  ])('refuses %s', async (_what, bytes, code) => {
    expect(await outcomeOf(trial, Buffer.concat([bytes, trailer]))).toBe(code)
  })

  it('refuses files of 4 GiB, and warns of what is lost', async () => {
    const large = [{ entry: entry('f', { size: 2 ** 32 }), content: null }]
    const items = async function* () {
      yield* large
    }
    await expect(collect(writeCpio(items()))).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
    const warnings: string[] = []
    const xattrs = [{ name: bytesOf('user.a'), value: bytesOf('') }]
    await collect(
      writeCpio(itemsOf([entry('f', { xattrs, mtimeNs: -1n })]), { onWarning: (text) => warnings.push(text) }),
    )
    expect(warnings).toHaveLength(2)
  })

  it('drops the NUL that the kernel puts after targets', async () => {
    const [only] = await trial(cut(Buffer.concat([member('l', { mode: 0o120777 }, 'to\0'), trailer]), 9))
    expect(only?.entry.linkTarget?.toString()).toBe('to')
  })
})
