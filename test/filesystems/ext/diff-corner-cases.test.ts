import { expect, test } from 'vitest'
import { diffExt, type ExtDifferences, openExt } from '../../../src/core.js'
import { extentNode, HandExt } from '../../support/ext-by-hand.js'
import { changeLines } from '../../support/ext-diff-oracle.js'

/** Make a file system twice, change the second one, and compare. */
async function diffOf(
  make: (hand: HandExt) => void,
  change: (hand: HandExt) => void,
): Promise<ExtDifferences & { lines: string[] }> {
  const [old, now] = [new HandExt(), new HandExt()]
  for (const hand of [old, now]) {
    // All blocks below 100 are in use.
    hand.block(3).fill(0xff, 0, 12)
    make(hand)
  }
  change(now)
  const size = now.bytes.length
  const differences = await diffExt(await openExt(old.open()), await openExt(now.open()), [{ start: 0, end: size }])
  expect(Object.values(differences.classes).reduce((sum, length) => sum + length, 0)).toBe(differences.changedLength)
  return { ...differences, lines: changeLines(differences.changes) }
}

test('content that moved to other blocks is no change of the content', async () => {
  const content = (hand: HandExt, block: number) => {
    hand.file('file', 12, { size: 1024, map: [block] })
    hand.block(block).fill('x')
  }
  const { changes } = await diffOf(
    (hand) => content(hand, 30),
    (hand) => {
      hand.inode(12, { size: 1024, map: [31] })
      hand.block(31).fill('x')
    },
  )
  expect(changes).toMatchObject([{ status: 'moved', isMoved: true, fields: [], ranges: [] }])
})

test('reserved blocks that were written are a change only where the content is another', async () => {
  const extents = (hand: HandExt, length: number) =>
    hand.inode(12, { flags: 0x80000, size: 2048, map: extentNode(0, [[0, length, 40]]) })
  const make = (hand: HandExt) => {
    hand.file('file', 12, {})
    extents(hand, 32768 + 2)
    // What was in the blocks before nobody sees.
    hand.block(41).fill('r')
  }
  const written = await diffOf(make, (hand) => {
    extents(hand, 2)
    hand.block(40).write('new')
  })
  expect(written.lines).toEqual(['modified /file  0-2048'])
  const zeros = await diffOf(make, (hand) => {
    extents(hand, 2)
    hand.block(41).fill(0)
  })
  expect(zeros.lines.filter((line) => line.startsWith('modified'))).toEqual([])
})

test('a block of attributes that files share changes each of them', async () => {
  const attributes = (hand: HandExt, value: string) => {
    const block = hand.block(50)
    for (const [at, word] of [0xea020000, 2, 1, 0].entries()) block.writeUInt32LE(word, at * 4)
    // user.a
    block.set([1, 1], 32)
    block.writeUInt16LE(1024 - 4, 34)
    block.writeUInt32LE(value.length, 40)
    block.write('a', 48)
    block.write(value, 1024 - 4)
  }
  const { lines, classes } = await diffOf(
    (hand) => {
      hand.file('one', 12, { attributeBlock: 50 })
      hand.file('two', 13, { attributeBlock: 50 })
      attributes(hand, 'old')
    },
    (hand) => attributes(hand, 'new'),
  )
  expect(lines).toEqual(['metadata /one attributes ', 'metadata /two attributes '])
  expect(classes.attributes).toBe(1024)
})

test('a file that was deleted while open is deleted, and its blocks are still file data', async () => {
  const { lines, classes } = await diffOf(
    (hand) => {
      hand.file('kept', 13, {})
      hand.file('open', 12, { size: 1024, map: [30] })
    },
    (hand) => {
      hand.directory(20, [['kept', 13]])
      hand.record(12).writeUInt16LE(0, 26)
      hand.field(0xe8, 12)
      hand.block(30).fill('w')
    },
  )
  expect(lines).toEqual(['deleted /open  '])
  expect(classes.fileData).toBe(1024)
})

test('a file whose other name was given to a new file has fewer links', async () => {
  const linkCountAt = 26
  const { lines } = await diffOf(
    (hand) => {
      for (const name of ['kept', 'other']) hand.file(name, 12, {})
      hand.record(12).writeUInt16LE(2, linkCountAt)
    },
    (hand) => {
      hand.record(12).writeUInt16LE(1, linkCountAt)
      hand.inode(13, {})
      hand.directory(20, [
        ['kept', 12],
        ['other', 13],
      ])
    },
  )
  expect(lines.some((line) => line.startsWith('metadata /kept links'))).toBe(true)
})
