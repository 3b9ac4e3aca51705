import { describe, expect, test } from 'vitest'
import { lastSignature, recogniseFileSystem } from '../../../src/formats/recognise/file-systems/index.js'
import { amount, diceFor } from '../../support/amount.js'
import { HandExt } from '../../support/ext-by-hand.js'

const uuid = '12345678-9abc-4def-8123-456789abcdef'
const uuidBytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')

type Piece = readonly [offset: number, bytes: string | Uint8Array]

function made(...pieces: readonly Piece[]): Buffer {
  const bytes = Buffer.alloc(lastSignature)
  for (const [offset, piece] of pieces)
    bytes.set(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece, offset)
  return bytes
}

// What no tool of the host makes without a block device; the others are in test/peers/partitions.test.ts.
const byHand: Record<string, readonly [Buffer, object]> = {
  'LUKS 1': [made([0, 'LUKS\xba\xbe\0\x01'], [168, uuid]), { type: 'crypto_LUKS', uuid, label: null }],
  'LUKS 2': [
    made([0, 'LUKS\xba\xbe\0\x02'], [24, 'secret'], [168, uuid]),
    { type: 'crypto_LUKS', uuid, label: Buffer.from('secret') },
  ],
  LVM: [
    made([512, 'LABELONE\x01'], [512 + 20, '\x20\0\0\0LVM2 001'], [512 + 32, 'abcdefghijklmnopqrstuvwxyz012345']),
    { type: 'LVM2_member', uuid: 'abcdef-ghij-klmn-opqr-stuv-wxyz-012345', label: null },
  ],
  'LVM, header out of its sector': [
    made([0, 'LABELONE'], [20, '\xff\xff\xff\xffLVM2 001']),
    { type: 'LVM2_member', uuid: null, label: null },
  ],
  'swap, pages of 64 KiB': [made([1036, uuidBytes], [65526, 'SWAPSPACE2']), { type: 'swap', uuid, label: null }],
  btrfs: [
    made([65568, uuidBytes], [65600, '_BHRfS_M'], [65835, 'data']),
    { type: 'btrfs', uuid, label: Buffer.from('data') },
  ],
  xfs: [
    made([0, 'XFSB'], [32, uuidBytes], [108, 'twelve bytes']),
    { type: 'xfs', uuid, label: Buffer.from('twelve bytes') },
  ],
}

describe('recogniseFileSystem', () => {
  test.each(Object.entries(byHand))('%s', (_, [bytes, expected]) => {
    const facts = recogniseFileSystem(bytes)
    const label = facts!.label === null ? null : Buffer.from(facts!.label)
    expect({ ...facts, label }).toMatchObject({ ...expected, state: null, problem: null })
  })

  test.each<[string, (hand: HandExt) => void, readonly string[], string | null]>([
    ['clean', () => {}, ['clean'], null],
    ['in use', (hand) => hand.bytes.writeUInt16LE(0, 1024 + 0x3a), ['mounted'], null],
    ['with errors', (hand) => hand.bytes.writeUInt16LE(3, 1024 + 0x3a), ['errors'], null],
    ['killed', (hand) => hand.field(0x60, 0x46), ['needs-recovery'], null],
    [
      'unreadable',
      (hand) => hand.field(0x60, 0x43),
      ['clean'],
      'umlcow cannot read this ext file system: it uses compression',
    ],
    [
      'damaged',
      (hand) => hand.field(0x20, 0),
      ['clean'],
      expect.stringContaining('impossible blocks in a group') as never,
    ],
  ])('ext, %s', (_, change, state, problem) => {
    const hand = new HandExt()
    hand.bytes.writeUInt16LE(1, 1024 + 0x3a)
    change(hand)
    expect(recogniseFileSystem(hand.bytes)).toMatchObject({ type: 'ext4', label: null, uuid: null, state, problem })
  })

  test('takes any bytes', () => {
    const dice = diceFor('signatures')
    const seeds = [...Object.values(byHand).map(([bytes]) => bytes), new HandExt().bytes]
    for (let i = 0; i < amount({ quick: 600, deep: 60000 }); i++) {
      const bytes = Buffer.from(seeds[dice.below(seeds.length)]!.subarray(0, dice.below(lastSignature)))
      for (let flips = dice.below(20); flips > 0 && bytes.length > 0; flips--) {
        bytes[dice.below(Math.min(bytes.length, 2048))] = dice.below(256)
      }
      recogniseFileSystem(bytes)
    }
    expect(recogniseFileSystem(new Uint8Array())).toBeNull()
    expect(recogniseFileSystem(new Uint8Array(lastSignature))).toBeNull()
  })
})
