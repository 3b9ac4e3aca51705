import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { usageDocument, usageText } from '../../../src/cli/listing/usage.js'
import { contentsKeys, contentsLines } from '../../../src/cli/reports/info-contents.js'
import { fileSystemUsage, info } from '../../../src/index.js'
import { HandExt } from '../../support/ext-by-hand.js'
import { HandJournal } from '../../support/ext-journal-by-hand.js'
import { temporaryDirectory } from '../../support/paths.js'

const state = (value: number) => (hand: HandExt) => hand.bytes.writeUInt16LE(value, 1024 + 0x3a)

/** The journal holds a superblock of a file system that was unmounted. */
function dirty(hand: HandExt): void {
  new HandJournal(hand).add({ data: [[1, cleanSuperblock(hand)]] })
}

function cleanSuperblock(hand: HandExt): Buffer {
  const copy = Buffer.from(hand.block(1))
  copy.writeUInt16LE(1, 0x3a)
  copy.writeUInt32LE(0x42, 0x60)
  return copy
}

const changes: Record<string, (hand: HandExt) => void> = {
  clean: state(1),
  mounted: state(0),
  errors: state(3),
  dirty,
  named: (hand) => hand.bytes.fill(0x5a, 1024 + 0x68, 1024 + 0x78),
  old: (hand) => {
    // Revision 0: what is in the place of the features means nothing, and inodes have 128 bytes.
    hand.field(76, 0)
    hand.record(2).copy(hand.block(5), 128, 0, 128)
  },
}

test('df and info name the kind, the UUID and the state of a file system alike', async () => {
  const directory = temporaryDirectory()
  const seen: unknown[] = []
  for (const [name, change] of Object.entries(changes)) {
    const hand = new HandExt()
    change(hand)
    const image = path.join(directory, name)
    writeFileSync(image, hand.bytes)
    const usage = await fileSystemUsage(image)
    const { contents } = await info(image)
    const known = contentsKeys(contents).contents as { 'file-system': { type: string; uuid: string; state: string[] } }
    const { type, uuid, state } = known['file-system']
    expect(usageDocument(image, usage)).toMatchObject({ type, uuid, state })
    const [, , , line, , uuidLine] = usageText(image, usage, {}).split('\n')
    const words = contentsLines(contents)[0]!.split(', ')
    expect(words.filter((word) => !word.startsWith('UUID'))).toEqual(line!.split(', '))
    expect(uuidLine).toBe(words.find((word) => word.startsWith('UUID'))?.replace('UUID', 'UUID:') ?? 'UUID: none')
    seen.push([name, line, uuid])
  }
  expect(seen).toEqual([
    ['clean', 'file system: ext4, clean', null],
    ['mounted', 'file system: ext4, was not unmounted', null],
    ['errors', 'file system: ext4, has errors', null],
    ['dirty', 'file system: ext4, needs recovery', null],
    ['named', 'file system: ext4, was not unmounted', '5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a'],
    ['old', 'file system: ext2, was not unmounted', null],
  ])
})
