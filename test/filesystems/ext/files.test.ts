import { describe, expect, test } from 'vitest'
import { type ExtFileSystem, type ExtInode, openExt } from '../../../src/core.js'
import { attributeTexts, extentNode, HandExt } from '../../support/ext-by-hand.js'

const extentsFlag = 0x80000
const inlineFlag = 0x10000000
const damaged = expect.objectContaining({ code: 'FS_DAMAGED' })

async function openHand(fill: (hand: HandExt) => void): Promise<ExtFileSystem> {
  const hand = new HandExt()
  fill(hand)
  return await openExt(hand.open())
}

async function extentsOf(files: ExtFileSystem, number: number): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const extents of files.extents(await files.inode(number))) {
    for (const { logical, physical, length, unwrittenAt } of extents) {
      found.push([logical, length, physical ?? (unwrittenAt === null ? 'hole' : `unwritten ${unwrittenAt}`)])
    }
  }
  return found
}

async function readAll(files: ExtFileSystem, inode: ExtInode): Promise<Buffer> {
  const target = Buffer.alloc(inode.size + 100, 0xee)
  const length = await files.read(inode, 0, target)
  return target.subarray(0, length)
}

describe('block maps', () => {
  test('direct, indirect, double and triple', async () => {
    const files = await openHand((hand) => {
      const map = Array.from({ length: 15 }, () => 0)
      Object.assign(map, { 0: 30, 1: 31, 3: 40, 12: 50, 13: 51, 14: 53 })
      hand.inode(12, { map, size: (12 + 256 + 65536) * 1024 + 3000 })
      hand.block(50).writeUInt32LE(60, 4 * 255)
      hand.block(51).writeUInt32LE(52, 0)
      hand.block(52).writeUInt32LE(61, 0)
      hand.block(53).writeUInt32LE(54, 0)
      hand.block(54).writeUInt32LE(55, 0)
      hand.block(55).writeUInt32LE(62, 4)
    })
    const triple = 12 + 256 + 65536
    expect(await extentsOf(files, 12)).toEqual([
      [0, 2, 30],
      [2, 1, 'hole'],
      [3, 1, 40],
      [4, 263, 'hole'],
      [267, 1, 60],
      [268, 1, 61],
      [269, triple - 268, 'hole'],
      [triple + 1, 1, 62],
      [triple + 2, 1, 'hole'],
    ])
  })

  test.each([
    ['a block that leads to itself', 14, 53, 53],
    ['a block beyond the end', 12, 50, 256],
    ['a block far beyond the end', 12, 50, 0xffffffff],
  ])('refuse %s', async (_, slot, block, word) => {
    const files = await openHand((hand) => {
      const map = Array.from({ length: 15 }, () => 0)
      map[slot] = block
      hand.inode(12, { map, size: 2 ** 34 })
      hand.block(block).writeUInt32LE(word, 0)
    })
    await expect(extentsOf(files, 12)).rejects.toEqual(damaged)
  })

  test('refuse a map that leads to one block many times', async () => {
    const files = await openHand((hand) => {
      hand.inode(12, { map: [...Array.from({ length: 14 }, () => 0), 53], size: 2 ** 34 })
      for (let i = 0; i < 256; i++) hand.block(53).writeUInt32LE(54, i * 4)
    })
    await expect(extentsOf(files, 12)).rejects.toEqual(damaged)
  })
})

describe('extent trees', () => {
  test('of depth 5, with unwritten extents and holes', async () => {
    const files = await openHand((hand) => {
      hand.inode(12, { flags: extentsFlag, size: 30 * 1024 - 1, map: extentNode(5, [[0, 50]]) })
      for (const depth of [4, 3, 2, 1]) {
        hand.block(54 - depth).set(extentNode(depth, [[0, 55 - depth]], 84))
      }
      const leaf = [
        [2, 3, 100],
        [5, 32768 + 4, 110],
        [20, 1, 120],
      ]
      hand.block(54).set(extentNode(0, leaf, 84))
      hand.block(100).fill('a')
      hand.block(110).fill('not written')
      hand.block(120).fill('b')
    })
    expect(await extentsOf(files, 12)).toEqual([
      [0, 2, 'hole'],
      [2, 3, 100],
      [5, 4, 'unwritten 110'],
      [9, 11, 'hole'],
      [20, 1, 120],
      [21, 9, 'hole'],
    ])
    const inode = await files.inode(12)
    const content = await readAll(files, inode)
    const expected = Buffer.alloc(30 * 1024 - 1)
    expected.fill('a', 2048, 3072).fill('b', 20 * 1024, 21 * 1024)
    expect(content.equals(expected)).toBe(true)
    for (const [start, length] of [
      [2047, 3],
      [3071, 2],
      [20 * 1024 + 1, 5000],
      [30 * 1024 - 2, 9],
    ] as const) {
      const part = Buffer.alloc(length, 0xee)
      const count = await files.read(inode, start, part)
      expect(part.subarray(0, count)).toEqual(expected.subarray(start, start + length))
    }
    expect(await files.read(inode, 10 ** 9, Buffer.alloc(5))).toBe(0)
  })

  test.each<[string, (hand: HandExt) => Uint8Array]>([
    ['without its magic number', () => new Uint8Array(60)],
    ['that is too deep', () => extentNode(6, [[0, 50]])],
    [
      'with more entries than room',
      () =>
        extentNode(
          0,
          Array.from({ length: 3 }, (_, i) => [i, 1, 100 + i]),
          2,
        ).subarray(0, 60),
    ],
    ['with more room than there is', () => extentNode(0, [[0, 1, 100]], 5).subarray(0, 60)],
    ['with an empty extent', () => extentNode(0, [[0, 0, 100]])],
    [
      'with extents that overlap',
      () =>
        extentNode(0, [
          [0, 3, 100],
          [2, 3, 110],
        ]),
    ],
    ['beyond the end of the file system', () => extentNode(0, [[0, 10, 250]])],
    ['with the superblock as data', () => extentNode(0, [[0, 1, 0]])],
    [
      'whose child is at another depth',
      (hand) => {
        hand.block(50).set(extentNode(1, [[0, 51]], 84))
        return extentNode(1, [[0, 50]])
      },
    ],
    [
      'whose child is at the place of its neighbour',
      (hand) => {
        hand.block(50).set(extentNode(0, [[0, 9, 100]], 84))
        return extentNode(1, [
          [0, 50],
          [5, 50],
        ])
      },
    ],
    [
      'with empty nodes that repeat',
      (hand) => {
        hand.block(50).set(extentNode(0, [], 84))
        return extentNode(1, [
          [0, 50],
          [5, 50],
        ])
      },
    ],
  ])('refuse a tree %s', async (_, make) => {
    const files = await openHand((hand) => hand.inode(12, { flags: extentsFlag, size: 9999, map: make(hand) }))
    await expect(extentsOf(files, 12)).rejects.toEqual(damaged)
    await expect(files.read(await files.inode(12), 0, Buffer.alloc(9999))).rejects.toEqual(damaged)
  })

  test('a file larger than any is refused, and nothing is allocated for it', async () => {
    const files = await openHand((hand) => hand.inode(12, { size: 2 ** 63 }))
    await expect(extentsOf(files, 12)).rejects.toEqual(damaged)
    await expect(files.read(await files.inode(12), 0, Buffer.alloc(10))).rejects.toEqual(damaged)
  })
})

describe('directories', () => {
  async function names(files: ExtFileSystem, number = 2): Promise<string[]> {
    const found: string[] = []
    for await (const batch of files.entries(await files.inode(number))) {
      found.push(...batch.map(({ name, inode, type }) => `${Buffer.from(name).toString('latin1')} ${inode} ${type}`))
    }
    return found
  }

  test('names are bytes', async () => {
    const files = await openHand((hand) => {
      hand.file(Buffer.from([0xff, 0x0a]), 12, {})
      hand.file('x'.repeat(255), 13, {})
      hand.file('..x', 14, {})
    })
    expect(await names(files)).toEqual(['\xff\n 12 null', `${'x'.repeat(255)} 13 null`, '..x 14 null'])
  })

  test.each<[string, (block: Buffer) => void]>([
    ['a record without length', (block) => block.writeUInt16LE(0, 4)],
    ['a record of an odd length', (block) => block.writeUInt16LE(13, 4)],
    ['a record beyond the block', (block) => block.writeUInt16LE(1024, 12 + 4)],
    ['a name longer than its record', (block) => block.writeUInt8(5, 6)],
    ['an empty name', (block) => block.writeUInt8(0, 6)],
    ['a short rest', (block) => block.writeUInt16LE(1008, 12 + 4)],
  ])('refuse %s', async (_, damage) => {
    const files = await openHand((hand) => damage(hand.block(20)))
    await expect(names(files)).rejects.toEqual(damaged)
  })

  test.each(['a/b', 'a\0b', '..', '.'])('refuse the name %j, or leave it out', async (name) => {
    const hand = new HandExt()
    hand.file(name, 12, {})
    hand.file('good', 13, {})
    await expect(names(await openExt(hand.open()))).rejects.toEqual(damaged)
    const files = await openExt(hand.open(), { damage: 'report' })
    expect(await names(files)).toEqual(['good 13 null'])
    expect(files.findings).toMatchObject([{ kind: 'name' }])
  })

  test('a directory with one block many times ends', async () => {
    const files = await openHand((hand) => {
      const words = Array.from({ length: 15 }, () => 20)
      hand.inode(12, { type: 'directory', size: 2 ** 31, map: [...words.slice(0, 12), 50, 51, 0] })
      for (let i = 0; i < 256; i++) hand.block(50).writeUInt32LE(20, i * 4)
    })
    await expect(names(files, 12)).rejects.toEqual(damaged)
  })

  test('a caller chooses names before they are copied', async () => {
    const files = await openHand((hand) => {
      hand.file('a', 12, {})
      hand.file('b', 13, {})
    })
    const found: string[] = []
    const root = await files.inode(2)
    for await (const batch of files.entries(root, (number, type) => number === 13 && type === null)) {
      found.push(...batch.map(({ name }) => Buffer.from(name).toString('latin1')))
    }
    expect(found).toEqual(['b'])
  })

  test('inodes come in the order that the caller asks for', async () => {
    const files = await openHand((hand) => hand.file('a', 12, {}))
    const inodes = await files.inodesOf([12, 2, 31, 2])
    expect(inodes.map(({ number }) => number)).toEqual([12, 2, 31, 2])
  })

  test('inode numbers that do not exist are refused', async () => {
    const files = await openHand(() => {})
    for (const number of [0, 33, 2 ** 32]) await expect(files.inode(number)).rejects.toEqual(damaged)
    expect(await files.inodesOf([])).toEqual([])
  })

  test('only directories have entries', async () => {
    const files = await openHand((hand) => hand.inode(12, {}))
    await expect(names(files, 12)).rejects.toThrow(TypeError)
  })
})

describe('inodes', () => {
  test('devices, times and ids', async () => {
    const files = await openHand((hand) => {
      hand.inode(12, { type: 'character', map: [0x0440] })
      hand.inode(13, { type: 'block', map: [0, 0x00b12cb8] })
      const record = hand.record(13)
      record.writeInt32LE(-5, 0x10)
      record.writeUInt32LE(999_999_999 * 4 + 1, 0x88)
      record.writeUInt16LE(0xffff, 0x02)
      record.writeUInt16LE(0xfffe, 0x78)
    })
    expect(await files.inode(12)).toMatchObject({ type: 'character', device: { major: 4, minor: 64 } })
    expect(await files.inode(13)).toMatchObject({
      device: { major: 300, minor: 3000 },
      mtime: { seconds: 2 ** 32 - 5, nanoseconds: 999_999_999 },
      uid: 0xfffeffff,
    })
  })

  test('a scan lists all that are in use', async () => {
    const hand = new HandExt()
    hand.block(4).fill(0, 0, 4)
    hand.block(4)[1] = 0x18
    const files = await openExt(hand.open())
    const numbers: number[] = []
    for await (const batch of files.inodes()) numbers.push(...batch.map(({ number }) => number))
    expect(numbers).toEqual([12, 13])
  })
})

describe('symbolic links', () => {
  test('fast, slow and inline', async () => {
    const files = await openHand((hand) => {
      hand.inode(12, { type: 'symlink', size: 5, blocks: 0, map: Buffer.from('fast!') })
      hand.inode(13, { type: 'symlink', size: 5, blocks: 2, map: Buffer.from('block'), attributeBlock: 60 })
      hand.inode(14, { type: 'symlink', size: 100, blocks: 2, map: [60] })
      hand.inode(15, { type: 'symlink', size: 4, blocks: 0, flags: inlineFlag, map: Buffer.from('line') })
      hand.block(60).fill('slow')
    })
    const targets = await Promise.all(
      [12, 13, 14, 15].map(async (number) => `${Buffer.from(await files.readLink(await files.inode(number)))}`),
    )
    expect(targets).toEqual(['fast!', 'block', 'slow'.repeat(25), 'line'])
    await expect(files.readLink(await files.inode(2))).rejects.toThrow(TypeError)
  })

  test.each([0, 4097, 2 ** 31])('of %d bytes are refused', async (size) => {
    const files = await openHand((hand) => hand.inode(12, { type: 'symlink', size, map: [60] }))
    await expect(files.readLink(await files.inode(12))).rejects.toEqual(damaged)
  })

  test('encrypted content is refused, and its size is known', async () => {
    const files = await openHand((hand) => hand.inode(12, { size: 99, flags: 0x800, map: [60] }))
    const inode = await files.inode(12)
    expect(inode.size).toBe(99)
    await expect(files.read(inode, 0, Buffer.alloc(9))).rejects.toMatchObject({ code: 'FS_UNSUPPORTED' })
  })
})

describe('extended attributes', () => {
  /** An entry, and room for its value. */
  function entry(prefix: number, name: string, valueOffset: number, valueLength: number): Buffer {
    const bytes = Buffer.alloc(16 + Math.ceil(name.length / 4) * 4)
    bytes.set([name.length, prefix], 0)
    bytes.writeUInt16LE(valueOffset, 2)
    bytes.writeUInt32LE(valueLength, 8)
    bytes.write(name, 16)
    return bytes
  }

  function fillInode(hand: HandExt, ...entries: Buffer[]): void {
    hand.inode(12, { attributeBlock: 60 })
    const room = hand.record(12).subarray(160)
    room.writeUInt32LE(0xea020000, 0)
    room.set(Buffer.concat(entries), 4)
    room.write('inode', 84)
  }

  function fillBlock(hand: HandExt, ...entries: Buffer[]): void {
    const block = hand.block(60)
    for (const [i, word] of [0xea020000, 1, 1].entries()) block.writeUInt32LE(word, i * 4)
    block.set(Buffer.concat(entries), 32)
    block.write('block', 1000)
  }

  test('of inode and block, the inode first', async () => {
    const files = await openHand((hand) => {
      fillInode(hand, entry(1, 'a', 80, 5))
      fillBlock(hand, entry(1, 'a', 1000, 5), entry(6, 'capability', 1000, 5), entry(7, 'data', 1000, 5))
    })
    const attributes = attributeTexts(await files.attributes(await files.inode(12)))
    expect(attributes).toEqual(['user.a=inode', 'security.capability=block'])
  })

  test.each<[string, Buffer]>([
    ['a value beyond the block', entry(1, 'a', 1000, 30)],
    ['a value of 4 GiB', entry(1, 'a', 0, 2 ** 32 - 1)],
    ['an unknown kind of name', entry(99, 'a', 1000, 1)],
    ['values that share their bytes', Buffer.concat(Array.from({ length: 4 }, (_, i) => entry(1, `${i}`, 100, 900)))],
  ])('%s is refused', async (_, bytes) => {
    const files = await openHand((hand) => {
      fillInode(hand)
      fillBlock(hand, bytes)
    })
    await expect(files.attributes(await files.inode(12))).rejects.toEqual(damaged)
  })

  test('an ACL comes in the form of programs', async () => {
    const files = await openHand((hand) => {
      fillInode(hand)
      fillBlock(hand, entry(2, '', 900, 16))
      for (const [i, half] of [1, 0, 1, 6, 2, 5, 77, 0].entries()) hand.block(60).writeUInt16LE(half, 900 + i * 2)
    })
    const [list] = await files.attributes(await files.inode(12))
    expect(`${Buffer.from(list!.name)}`).toBe('system.posix_acl_access')
    expect(Buffer.from(list!.value).toString('hex')).toBe(
      ['02000000', '01000600', 'ffffffff', '02000500', '4d000000'].join(''),
    )
  })

  test('a wrong ACL is refused', async () => {
    const files = await openHand((hand) => {
      fillInode(hand)
      fillBlock(hand, entry(2, '', 900, 16))
    })
    await expect(files.attributes(await files.inode(12))).rejects.toEqual(damaged)
  })
})

describe('lookup', () => {
  async function scene(): Promise<ExtFileSystem> {
    return await openHand((hand) => {
      const link = (name: string, number: number, target: string) =>
        hand.file(name, number, { type: 'symlink', size: target.length, blocks: 0, map: Buffer.from(target) })
      hand.file('file', 12, { size: 1 })
      hand.file('dir', 13, { type: 'directory', size: 1024, map: [21] })
      hand.directory(21, [['in', 14]])
      hand.inode(14, {})
      link('relative', 15, 'dir/../dir')
      link('absolute', 16, '/dir/in')
      link('up', 17, '../../../file')
      link('loop', 18, 'loop')
      link('dangling', 19, 'nothing')
    })
  }

  test.each([
    ['', 2],
    ['/', 2],
    ['//.//', 2],
    ['/file', 12],
    ['file', 12],
    ['/dir/', 13],
    ['/dir/in', 14],
    ['/dir/./../dir/in', 14],
    ['/../../dir', 13],
    ['/relative/in', 14],
    ['/relative', 13],
    ['/absolute', 14],
    ['/up', 12],
  ])('%j is inode %d', async (path, number) => {
    const files = await scene()
    expect(await files.lookup(Buffer.from(path))).toMatchObject({ number })
  })

  test('the last link is followed where the caller wants it', async () => {
    const files = await scene()
    const last = async (path: string) => (await files.lookup(Buffer.from(path), { followLast: false })).number
    expect([await last('/relative'), await last('/relative/'), await last('/loop')]).toEqual([15, 13, 18])
  })

  test.each([
    ['/nothing', 'does not exist'],
    ['/file/', 'is no directory'],
    ['/file/x', 'is below a file that is no directory'],
    ['/file/..', 'is below a file that is no directory'],
    ['/loop', 'more than 40 symbolic links'],
    ['/dangling', 'does not exist'],
    ['/a\nb', String.raw`/a\x0ab does not exist`],
  ])('%j %s', async (path, words) => {
    const files = await scene()
    await expect(files.lookup(Buffer.from(path))).rejects.toMatchObject({
      code: 'FS_NOT_FOUND',
      message: expect.stringContaining(words),
    })
  })
})
