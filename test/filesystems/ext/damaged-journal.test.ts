import { describe, expect, test } from 'vitest'
import { type Image, openExt, UmlcowError } from '../../../src/core.js'
import { amount, diceFor, tally } from '../../support/amount.js'
import { extentNode, HandExt } from '../../support/ext-by-hand.js'
import { blockOf, HandJournal, type HandJournalOptions } from '../../support/ext-journal-by-hand.js'
import type { Dice } from '../../support/generate.js'

/** What blocks 200 to 204 show after 0, 1, 2 and 3 transactions. */
const views = ['-----', 'aaa--', 'ab---', 'ab-c-']
const errors = ['FS_DAMAGED', 'FS_UNSUPPORTED']

function dirty(options: HandJournalOptions): HandExt {
  const hand = new HandExt()
  for (let block = 200; block < 205; block++) hand.block(block).fill('-')
  const journal = new HandJournal(hand, options)
  journal.add({
    data: [
      [200, blockOf('a')],
      [201, blockOf('a')],
      [202, blockOf('a')],
    ],
    time: 1,
  })
  journal.add({ data: [[201, blockOf('b')]], revokes: [202, 203], time: 2 })
  journal.add({ data: [[203, blockOf('c')]], time: 3 })
  journal.add({ data: [[204, blockOf('d')]], isCommitted: false })
  return hand
}

/** An image that fails the test when more is read than any replay needs. */
function limited(image: Image): Image {
  let left = 64 * image.virtualSize
  return {
    ...image,
    virtualSize: image.virtualSize,
    async read(offset, target) {
      left -= target.length
      if (left < 0) throw new Error('it reads without end')
      await image.read(offset, target)
    },
  }
}

interface Answer {
  /** The first bytes of the blocks, or the code of an error. */
  readonly outcome: string
  /** Names in the root directory; null after an error. */
  readonly nameCount: number | null
  /** The reader passed over damage. */
  readonly isDamaged: boolean
}

async function answer(image: Image, damage: 'refuse' | 'report'): Promise<Answer> {
  try {
    const files = await openExt(limited(image), { damage })
    const bytes = Buffer.alloc(5 * 1024)
    await files.image.read(200 * 1024, bytes)
    const top = await files.inode(2)
    let nameCount = 0
    if (top.type === 'directory') for await (const names of files.entries(top)) nameCount += names.length
    const outcome = Array.from({ length: 5 }, (_, i) => String.fromCharCode(bytes[i * 1024]!)).join('')
    const isDamaged = files.findings.some(({ kind }) => kind !== 'orphan' && kind !== 'replayed')
    return { outcome, nameCount, isDamaged }
  } catch (error) {
    if (!(error instanceof UmlcowError && error.code.startsWith('FS_'))) throw error
    return { outcome: error.code, nameCount: null, isDamaged: false }
  }
}

/** Read an image in both ways: what umlcow does not refuse, it shows the same, and what it refuses, it reports. */
async function answers(hand: HandExt): Promise<readonly [refused: string, reported: string]> {
  const refusing = await answer(hand.open(), 'refuse')
  const reporting = await answer(hand.open(), 'report')
  if (refusing.nameCount !== null) expect(reporting).toEqual({ ...refusing, isDamaged: false })
  else expect(reporting).toSatisfy(({ nameCount, isDamaged }: Answer) => nameCount === null || isDamaged)
  return [refusing.outcome, reporting.outcome]
}

/** Change 1 to 64 bytes of some blocks. */
function flip(hand: HandExt, dice: Dice, blocks: readonly number[]): void {
  for (let flips = 2 ** dice.below(7); flips > 0; flips--) {
    const block = hand.block(dice.pick(blocks))
    // Most of a block is not used: its start and its end are more than the rest.
    const at = dice.once(4) ? dice.below(1024) : dice.once(8) ? 1020 + dice.below(4) : dice.below(64)
    block[at] = block[at]! ^ (1 + dice.below(255))
  }
}

describe('a journal with damaged blocks', () => {
  const count = amount({ quick: 15, deep: 350 })
  const blocksOfJournal = Array.from({ length: 14 }, (_, i) => 100 + i)

  test.each([0, 1, 2, 3] as const)('checksums v%d: an error, or whole transactions', async (version) => {
    const dice = diceFor(`damaged journal ${version}`)
    const outcomes: Record<string, number> = {}
    for (let i = 0; i < count; i++) {
      const hand = dirty({ version, isWide: dice.once(2) })
      flip(hand, dice, blocksOfJournal)
      const [refused, reported] = await answers(hand)
      for (const outcome of [refused, reported]) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      if (version < 2) continue
      expect([...views, ...errors]).toContain(refused)
      // Blocks with a wrong checksum are left out.
      if (!errors.includes(reported)) expect(reported).toMatch(/^[-a][-ab][-a][-c]-$/)
    }
    tally('damaged journals', 2 * count, outcomes)
  })

  test('and a damaged superblock, inode and map: an error, or an answer without doubts', async () => {
    const dice = diceFor('damaged journal inode')
    for (let i = 0; i < count; i++) {
      const hand = dirty({ version: dice.pick([0, 1, 2, 3] as const) })
      flip(hand, dice, [1, 1, 2, 6, ...blocksOfJournal])
      // The record of inode 8.
      if (dice.once(2)) hand.record(8)[dice.below(128)] = dice.below(256)
      await answers(hand)
    }
  })
})

describe('a journal made to take long', () => {
  test('extents that lead to the same blocks many times', async () => {
    const hand = new HandExt()
    const journal = new HandJournal(hand)
    const repeats = 80
    const leaves = Array.from({ length: repeats }, (_, i) => [i * journal.length, journal.length, journal.first])
    hand.block(141).set(extentNode(0, leaves, 84))
    const size = repeats * journal.length * 1024
    hand.inode(8, { size, flags: 0x80000, map: extentNode(1, [[0, 141]]), mode: 0o600 })
    journal.block(0).writeUInt32BE(repeats * journal.length, 0x10)
    // Descriptors of one transaction everywhere. Their tags never end.
    journal.add({ data: [[200, blockOf('a')]], isCommitted: false })
    const descriptor = journal.block(1).fill(0, 12)
    for (let i = 2; i < journal.length; i++) journal.block(i).set(descriptor)
    hand.block(200).fill('-')
    expect((await answer(hand.open(), 'refuse')).outcome).toMatch(/^-/)
  })
})
