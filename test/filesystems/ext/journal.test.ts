import { describe, expect, test } from 'vitest'
import { type ExtFileSystem, type ExtOptions, openExt } from '../../../src/core.js'
import { HandExt } from '../../support/ext-by-hand.js'
import { blockOf, HandJournal, type HandJournalOptions } from '../../support/ext-journal-by-hand.js'

const refusal = (code: string, words: string | RegExp = '') =>
  expect.objectContaining({ code, message: expect.stringMatching(words) })

/** Open a file system with a journal that `fill` fills. */
async function openWith(
  options: HandJournalOptions,
  fill: (journal: HandJournal, hand: HandExt) => void,
  extOptions?: ExtOptions,
): Promise<ExtFileSystem> {
  const hand = new HandExt()
  for (let block = 200; block < 220; block++) hand.block(block).fill('-')
  fill(new HandJournal(hand, options), hand)
  return await openExt(hand.open(), extOptions)
}

/** The first byte of each block from 200 on, as text. */
async function shown(files: ExtFileSystem, count = 5): Promise<string> {
  const bytes = Buffer.alloc(count * 1024)
  await files.image.read(200 * 1024, bytes)
  return Array.from({ length: count }, (_, i) => String.fromCharCode(bytes[i * 1024]!)).join('')
}

const formats: readonly (readonly [string, HandJournalOptions])[] = [
  ['no checksums', {}],
  ['no checksums, 64-bit', { isWide: true }],
  ['checksums v1', { version: 1 }],
  ['checksums v1, 64-bit', { version: 1, isWide: true }],
  ['checksums v2', { version: 2 }],
  ['checksums v2, 64-bit', { version: 2, isWide: true }],
  ['checksums v3', { version: 3 }],
  ['checksums v3, 64-bit', { version: 3, isWide: true }],
  ['a log that goes round', { version: 3, start: 25 }],
  ['numbers of transactions that go round', { sequence: 2 ** 32 - 1 }],
]

describe.each(formats)('a journal with %s', (_, options) => {
  test('is replayed: the last data counts, a revoke ends what came before', async () => {
    const files = await openWith(options, (journal) => {
      journal.add({
        data: [
          [200, blockOf('a')],
          [201, blockOf('a')],
          [202, blockOf('a')],
        ],
      })
      journal.add({ data: [[201, blockOf('b')]], revokes: [202, 203, 204] })
      journal.add({ data: [[203, blockOf('c')]] })
      journal.add({ data: [[204, blockOf('d')]], isCommitted: false })
    })
    expect(await shown(files)).toBe('ab-c-')
    expect(files.journal).toEqual({ state: 'replayed', transactionCount: 3, blocks: Float64Array.of(200, 201, 203) })
    expect(files.findings).toEqual([
      { kind: 'replayed', message: 'the journal was replayed in memory: 3 blocks of 3 transactions' },
    ])
  })
})

describe('replay', () => {
  test('puts back the magic number of an escaped block, in reads of any part', async () => {
    const bytes = blockOf('x')
    bytes.writeUInt32BE(0xc03b3998)
    const files = await openWith({ version: 3 }, (journal) => journal.add({ data: [[201, bytes]] }))
    const all = Buffer.alloc(3 * 1024)
    await files.image.read(200 * 1024, all)
    expect(all.subarray(1024, 2048)).toEqual(bytes)
    for (const [from, length] of [
      [1022, 4],
      [1025, 2],
      [1027, 8],
      [1028, 1],
      [2040, 20],
    ] as const) {
      const part = Buffer.alloc(length)
      await files.image.read(200 * 1024 + from, part)
      expect(part).toEqual(all.subarray(from, from + length))
    }
  })

  test('shows the superblock, the inodes and the directories of the journal', async () => {
    const files = await openWith({}, (journal, hand) => {
      const after = new HandExt()
      after.field(0x78, 0x41)
      after.file('new', 12, { size: 3, map: [201] })
      const superblock = Buffer.from(after.block(1))
      superblock.set(hand.block(1).subarray(0x5c, 0x64), 0x5c)
      const table = Buffer.from(after.block(5 + 2))
      journal.add({
        data: [
          [1, superblock],
          [7, table],
          [20, after.block(20)],
          [201, blockOf('n')],
        ],
      })
    })
    expect(Buffer.from(files.superblock.label).toString()).toBe('A')
    const target = Buffer.alloc(10)
    expect(await files.read(await files.lookup(Buffer.from('/new')), 0, target)).toBe(3)
    expect(target.toString('latin1', 0, 3)).toBe('nnn')
  })

  test('tells of extents: replayed blocks have no place in the file', async () => {
    const files = await openWith({}, (journal) =>
      journal.add({
        data: [
          [200, blockOf('a')],
          [202, blockOf('b')],
        ],
      }),
    )
    const found: string[] = []
    for await (const { start, length, data, offset } of files.image.extents(199.5 * 1024, 4 * 1024)) {
      found.push(`${start / 1024}+${length / 1024} ${data} ${offset === undefined ? '' : offset / 1024}`.trim())
    }
    expect(found).toEqual(['199.5+0.5 true 199.5', '200+1 true', '201+1 true 201', '202+1 true', '203+0.5 true 203'])
  })

  test('with replay: false shows the disk as it is', async () => {
    const fill = (journal: HandJournal) => journal.add({ data: [[200, blockOf('a')]] })
    const files = await openWith({}, fill, { replay: false })
    expect(await shown(files)).toBe('-----')
    expect(files.journal).toMatchObject({ state: 'not-replayed', transactionCount: 0 })
    expect(files.findings).toMatchObject([{ kind: 'not-replayed' }])
  })

  test('of an empty log changes nothing', async () => {
    const files = await openWith({}, (journal) => journal.block(0).writeUInt32BE(0, 0x1c))
    expect(files.journal).toMatchObject({ state: 'replayed', transactionCount: 0 })
  })

  test.each([
    ['none', 0x60, 0x42, 0],
    ['clean', 0x60, 0x42, 4],
  ])('%s: no replay', async (state, at, incompatible, compatible) => {
    const hand = new HandExt()
    hand.field(at, incompatible)
    hand.field(0x5c, compatible)
    expect((await openExt(hand.open())).journal).toMatchObject({ state, transactionCount: 0 })
  })

  test('reads the copy of the map in the superblock when the inode is damaged', async () => {
    const files = await openWith({ version: 3 }, (journal, hand) => {
      journal.add({ data: [[200, blockOf('a')]] })
      const map = hand.record(8).subarray(40, 100)
      hand.bytes.set(map, 1024 + 0x10c)
      hand.field(0x10c + 64, journal.length * 1024)
      hand.record(8).fill(0)
    })
    expect(await shown(files)).toBe('a----')
  })
})

describe('a damaged log', () => {
  const later = [
    ['the commit', 'commit', 1],
    ['the commit', 'commit', 2],
    ['the commit', 'commit', 3],
    ['a descriptor', 'descriptor', 2],
    ['a descriptor', 'descriptor', 3],
    ['revokes', 'revokes', 3],
  ] as const

  test.each(later)('wrong checksum of %s (%s, v%d): an error, or the end', async (_, spoil, version) => {
    const fill = (time: number) => (journal: HandJournal) => {
      journal.add({ data: [[200, blockOf('a')]] })
      journal.add({ data: [[201, blockOf('b')]], revokes: [200], spoil, time })
      journal.add({ data: [[202, blockOf('c')]], time })
    }
    const refused = refusal('FS_DAMAGED', 'transaction 8 of the journal')
    await expect(openWith({ version }, fill(1000))).rejects.toEqual(refused)
    const reported = await openWith({ version }, fill(1000), { damage: 'report' })
    expect(await shown(reported)).toBe('a----')
    expect(reported.findings).toMatchObject([{ kind: 'journal' }, { kind: 'replayed' }])
    // Older than the transaction before it: left over from an earlier turn.
    expect(await shown(await openWith({ version }, fill(999)))).toBe('a----')
  })

  test.each([2, 3] as const)('wrong checksum of data, v%d: an error, or the rest', async (version) => {
    const fill = (journal: HandJournal) => {
      journal.add({ data: [[200, blockOf('a')]], spoil: 'data' })
      journal.add({ data: [[201, blockOf('b')]] })
    }
    await expect(openWith({ version }, fill)).rejects.toEqual(refusal('FS_DAMAGED', 'block 200 in transaction 7'))
    expect(await shown(await openWith({ version }, fill, { damage: 'report' }))).toBe('-b---')
  })

  test('checksums v1: a commit before its data is no damage, unless another follows', async () => {
    const fill = (count: number) => (journal: HandJournal) => {
      journal.add({ data: [[200, blockOf('a')]] })
      journal.add({ data: [[201, blockOf('b')]], spoil: 'commit' })
      if (count > 2) journal.add({ data: [[202, blockOf('c')]] })
    }
    const options = { version: 1, features: 4 } as const
    expect(await shown(await openWith(options, fill(2)))).toBe('a----')
    await expect(openWith(options, fill(3))).rejects.toEqual(refusal('FS_DAMAGED', 'transaction 8'))
  })

  test('a block beyond the end: an error, or the rest', async () => {
    const fill = (journal: HandJournal) =>
      journal.add({
        data: [
          [256, blockOf('a')],
          [2 ** 40, blockOf('a')],
          [200, blockOf('b')],
        ],
      })
    await expect(openWith({ isWide: true }, fill)).rejects.toEqual(refusal('FS_DAMAGED', 'block 256'))
    expect(await shown(await openWith({ isWide: true }, fill, { damage: 'report' }))).toBe('b----')
  })

  test.each([12, 1013, 2 ** 32 - 1])('revokes of %d bytes: an error, or the rest', async (length) => {
    const fill = (journal: HandJournal) => {
      journal.add({ data: [[200, blockOf('a')]] })
      journal.add({ revokes: [200] })
      journal.block(4).writeUInt32BE(length, 12)
    }
    const opened = openWith({}, fill)
    if (length === 1013) expect(await shown(await opened)).toBe('-----')
    else await expect(opened).rejects.toEqual(refusal('FS_DAMAGED', 'revokes of transaction 8'))
  })

  test('a log full of descriptors that lead round ends', async () => {
    const files = await openWith({}, (journal) => {
      journal.add({ data: Array.from({ length: 20 }, (_, i) => [200 + i, blockOf('a')] as const), isCommitted: false })
      for (let i = 2; i < journal.length; i++) journal.block(i).set(journal.block(1))
    })
    expect(files.journal).toMatchObject({ transactionCount: 0 })
  })

  // Offset in the superblock of the journal, and a number that cannot be there.
  test.each([
    ['magic number', 0x00, 0],
    ['type', 0x04, 2],
    ['block size', 0x0c, 2048],
    ['number of blocks', 0x10, 33],
    ['number of blocks', 0x10, 2 ** 32 - 1],
    ['first block', 0x14, 0],
    ['first block', 0x14, 32],
    ['start', 0x1c, 32],
    ['checksum versions', 0x28, 0x18],
    ['checksum type', 0x50, 0],
  ])('refuses an impossible %s', async (_, at, value) => {
    const fill = (journal: HandJournal, hand: HandExt) => {
      journal.add({ data: [[200, blockOf('a')]] })
      if (at === 0x50) journal.block(0)[at] = value
      else journal.block(0).writeUInt32BE(value, at)
      journal.sealSuperblock()
      hand.field(0x10c, 0)
    }
    await expect(openWith({ version: 3 }, fill)).rejects.toEqual(refusal('FS_DAMAGED', 'journal cannot be found'))
    const files = await openWith({ version: 3 }, fill, { damage: 'report' })
    expect(files.journal.state).toBe('not-replayed')
    expect(files.findings.map(({ kind }) => kind)).toEqual(['journal', 'not-replayed'])
  })

  test('refuses a wrong checksum of its superblock', async () => {
    const fill = (journal: HandJournal) => void journal.block(0).fill(1, 0x60, 0x61)
    await expect(openWith({ version: 3 }, fill)).rejects.toEqual(refusal('FS_DAMAGED', 'superblock of its journal'))
  })

  test('refuses a file system that needs a journal and has none', async () => {
    await expect(openWith({}, (_, hand) => hand.field(0x5c, 0))).rejects.toEqual(refusal('FS_DAMAGED', 'has none'))
  })
})

describe('refuses by name', () => {
  test('a journal on another device', async () => {
    const opened = openWith({}, (_, hand) => hand.field(0xe0, 0))
    await expect(opened).rejects.toEqual(refusal('FS_UNSUPPORTED', 'journal on another device'))
  })

  test('unknown features', async () => {
    const opened = openWith({ features: 0x40 }, () => {})
    await expect(opened).rejects.toEqual(refusal('FS_UNSUPPORTED', '0x40'))
  })

  test.each([
    ['that continue the log', 8, true],
    ['left over from before', 7, false],
  ])('fast commits %s', async (_, sequence, isRefused) => {
    const hand = new HandExt(2048)
    const journal = new HandJournal(hand, { features: 0x20, length: 1034, logEnd: 1026, start: 1025 })
    journal.block(0).writeUInt32BE(8, 0x54)
    // The log ends before block 1026.
    journal.add({ data: [[1200, blockOf('a')]] })
    const first = journal.block(1027)
    first.writeUInt32LE(9 + 8 * 2 ** 16, 0)
    first.writeUInt32LE(sequence, 8)
    const opened = openExt(hand.open())
    if (isRefused) await expect(opened).rejects.toEqual(refusal('FS_UNSUPPORTED', 'fast_commit'))
    else expect((await opened).journal.blocks).toEqual(Float64Array.of(1200))
  })
})

describe('orphans', () => {
  test('the list', async () => {
    const hand = new HandExt()
    hand.field(0xe8, 14)
    hand.record(14).writeUInt32LE(17, 0x14)
    hand.record(17).writeUInt32LE(12, 0x14)
    const files = await openExt(hand.open())
    expect(files.orphans).toEqual([14, 17, 12])
    expect(files.findings).toEqual([
      { kind: 'orphan', message: 'the deletion or truncation of open files did not finish: inodes 14, 17, 12' },
    ])
  })

  test.each([
    ['leads round', 14],
    ['leads to a reserved inode', 2],
    ['leads nowhere', 33],
  ])('a list that %s is a finding', async (_, next) => {
    const hand = new HandExt()
    hand.field(0xe8, 14)
    hand.record(14).writeUInt32LE(next, 0x14)
    const files = await openExt(hand.open())
    expect(files.orphans).toEqual([14])
    expect(files.findings.map(({ message }) => message)).toContain('the list of orphans is damaged')
  })

  test.each([
    [0x0b10ca04, [13, 15]],
    [0, []],
  ])('a file, magic number %d', async (magic, expected) => {
    const hand = new HandExt()
    hand.field(0x5c, 0x1000)
    hand.field(0x64, 0x10000)
    hand.field(0x280, 12)
    hand.inode(12, { size: 1024, map: [60] })
    hand.block(60).writeUInt32LE(13, 0)
    hand.block(60).writeUInt32LE(15, 40)
    hand.block(60).writeUInt32LE(magic, 1016)
    expect((await openExt(hand.open())).orphans).toEqual(expected)
  })
})

describe('a damaged superblock', () => {
  test('names a copy that is whole', async () => {
    const hand = new HandExt(8194)
    hand.field(0, 64)
    hand.block(8193).set(hand.block(1))
    hand.block(8193).writeUInt16LE(1, 0x5a)
    for (const spoil of [() => hand.field(0x38, 0), () => hand.field(0x18, 9)]) {
      spoil()
      const error = await openExt(hand.open()).catch((thrown: unknown) => thrown)
      expect(error).toEqual(refusal('FS_DAMAGED', 'a copy in block 8193 is whole'))
      expect(error).toHaveProperty('hint', expect.stringContaining('e2fsck -b 8193 -B 1024'))
      hand.field(0x38, 0xef53)
    }
  })

  test('without a copy', async () => {
    const hand = new HandExt(8194)
    hand.field(0x38, 0)
    await expect(openExt(hand.open())).rejects.toEqual(refusal('FS_UNKNOWN'))
  })
})
