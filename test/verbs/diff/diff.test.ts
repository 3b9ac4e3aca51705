import { readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { unpackPair } from '../../../fixtures/unpack.js'
import {
  type ComparedRange,
  type DiffOptions,
  diffExt,
  diffFiles,
  diffRanges,
  type ExtChange,
  merge,
  openExt,
  openMemoryStore,
  openRawImage,
} from '../../../src/index.js'
import { patchOf } from '../../../src/verbs/diff/patch.js'
import { unifiedText } from '../../../src/verbs/diff/unified-text.js'
import { HandExt } from '../../support/ext-by-hand.js'
import { temporaryDirectory } from '../../support/paths.js'

function unpack(kind: string) {
  const directory = temporaryDirectory()
  const { paths } = unpackPair(kind, directory)
  return { merged: `${directory}/merged`, cow: paths.overlays[0]!, backing: paths.backing }
}

async function differing(path: string, options: DiffOptions): Promise<ComparedRange[]> {
  const diff = await diffRanges(path, options)
  const found: ComparedRange[] = []
  for await (const range of diff.ranges) if (!range.isSame) found.push(range)
  await diff.close()
  return found
}

function shown({ status, path, oldPath, ranges, fields }: ExtChange): string {
  const from = status === 'renamed' ? ` from ${Buffer.from(oldPath!)}` : ''
  return `${status} ${Buffer.from(path)}${from} ${ranges.map(({ start, end }) => `${start}-${end}`)} ${fields}`.trim()
}

/** What fixtures/make/kernel.py has the guest do. */
const session = [
  'deleted data/file3',
  'renamed data/moved from data/file4',
  'added etc/link',
  'modified etc/motd 6-23 size,mtime',
  ...Array.from({ length: 9 }, (_, i) => [`added new/d${i + 1}`, `added new/d${i + 1}/f`]).flat(),
]

describe('an overlay that the kernel wrote', () => {
  test.each(['ext4', 'ext4-1k'])('%s: names exactly what the guest did', async (kind) => {
    const { cow, backing, merged } = unpack(kind)
    const diff = await diffFiles(cow, { backing })
    expect(diff.changes.map(shown)).toEqual(session)
    expect(Object.values(diff.classes).reduce((sum, length) => sum + length, 0)).toBe(diff.changedLength)
    expect(diff.classes.journal).toBeGreaterThan(0)
    const motd = diff.changes.find(({ path }) => `${Buffer.from(path)}` === 'etc/motd')!
    expect(await diff.patch(motd)).toEqual({
      kind: 'text',
      text: '--- a/etc/motd\n+++ b/etc/motd\n@@ -1 +1,2 @@\n hello\n+changed by guest\n',
    })
    await diff.close()

    // Two images that do not name each other.
    await merge(cow, merged, { backing, noSync: true })
    const other = await diffFiles(merged, { old: backing })
    expect(other).toMatchObject({ kind: 'same', changes: diff.changes, classes: diff.classes, notes: [] })
    await other.close()
    const same = await diffFiles(merged, { old: cow, backing })
    expect(same).toMatchObject({ changes: [], changedLength: 0 })
    await same.close()
  })

  test('finds the only file system in a partition', async () => {
    const { cow, backing, merged } = unpack('ext4')
    await merge(cow, merged, { backing, noSync: true })
    const [old, now] = [backing, merged].map((file) => {
      const content = readFileSync(file)
      const disk = Buffer.alloc(2 ** 20 + content.length)
      // A DOS partition table with one partition of Linux, from 1 MiB on.
      disk.set([0, 0, 0, 0, 0x83], 446)
      disk.writeUInt32LE(2048, 454)
      disk.writeUInt32LE(content.length / 512, 458)
      disk.writeUInt16BE(0x55aa, 510)
      disk.set(content, 2 ** 20)
      writeFileSync(`${file}.disk`, disk)
      return `${file}.disk`
    })
    for (const [path, other] of [
      [`${now}@1`, old!],
      [now!, `${old}@1`],
    ] as const) {
      const diff = await diffFiles(path, { old: other })
      expect(diff.changes.map(shown)).toEqual(session)
      await diff.close()
    }
    const listed = await differing(merged, { old: backing })
    expect(await differing(`${now}@1`, { old: `${old}@1` })).toEqual(listed)
    expect(await differing(now!, { old: old!, partition: 1 })).toEqual(listed)
    // The bytes of a partition, and of a file system that fills the other image.
    expect(await differing(`${now}@1`, { old: `${backing}@0` })).toEqual(listed)
    const inDisk = listed.map(({ start, end }) => ({ start: start + 2 ** 20, end: end + 2 ** 20, isSame: false }))
    expect(await differing(now!, { old: old! })).toEqual(inDisk)
    await expect(differing(now!, { old: old!, partition: 2 })).rejects.toMatchObject({ code: 'PARTITION_MISSING' })
    await expect(diffFiles(now!, { old: old!, partition: 2 })).rejects.toMatchObject({ code: 'PARTITION_MISSING' })
  })

  test('lists the bytes that differ, and those that the overlay stores in vain', async () => {
    const { cow, backing, merged } = unpack('ext4')
    await merge(cow, merged, { backing, noSync: true })
    const listed = async (path: string, old?: string) => {
      const diff = await diffRanges(path, { backing: old === undefined ? backing : undefined, old })
      const found: string[] = []
      for await (const { start, end, isSame } of diff.ranges) found.push(`${start}-${end} ${isSame}`)
      await diff.close()
      return found
    }
    const stored = await listed(cow)
    expect(stored.some((line) => line.endsWith('true'))).toBe(true)
    const changed = (lines: readonly string[]) => lines.filter((line) => line.endsWith('false'))
    expect(changed(await listed(merged, backing))).toEqual(changed(stored))
  })

  test('refuses an image that has no backing file, and one without a file system', async () => {
    const { backing } = unpack('ext4')
    await expect(diffFiles(backing)).rejects.toMatchObject({ code: 'NOT_COW' })
    const odd = unpack('odd')
    await expect(diffFiles(odd.cow, { backing: odd.backing })).rejects.toMatchObject({ code: 'FS_UNKNOWN' })
  })
})

test.each([
  ['', 'a\n', '@@ -0,0 +1 @@\n+a\n'],
  ['a\nb', 'a\nb\n', '@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n'],
  ['1\n2\n3\n4\n5\n6\n7\n8\n9\n', '1\n2\n3\n4\nx\n5\n6\n7\n8\n9\n', '@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+x\n 5\n 6\n 7\n'],
  [
    'a\n1\n2\n3\n4\n5\n6\n7\nb\n',
    '1\n2\n3\n4\n5\n6\n7\n',
    '@@ -1,4 +1,3 @@\n-a\n 1\n 2\n 3\n@@ -6,4 +5,3 @@\n 5\n 6\n 7\n-b\n',
  ],
])('formats changes of lines as diff -u does: %j', (old, now, hunks) => {
  expect(unifiedText(old, now, ['a/f', 'b/f'])).toBe(`--- a/f\n+++ b/f\n${hunks}`)
})

test('patches of files that are encrypted say so', async () => {
  const [empty, hand] = [new HandExt(), new HandExt()]
  hand.file('secret', 12, { flags: 0x800, size: 9, map: [30] })
  const [without, having] = [await openExt(empty.open()), await openExt(hand.open())]
  for (const [old, now] of [
    [without, having],
    [having, without],
  ] as const) {
    const { changes } = await diffExt(old, now, [{ start: 0, end: hand.bytes.length }])
    expect(await patchOf(old, now, changes[0]!)).toEqual({ kind: 'encrypted', text: '' })
  }
})

test.each(['inodeBitmap', 'blockBitmap'] as const)(
  'damage of the %s ends a diff, unless it is reported',
  async (name) => {
    const bytes = readFileSync(unpack('ext4').backing)
    const open = (damage: 'refuse' | 'report') => openExt(openRawImage(openMemoryStore(bytes)), { damage })
    const group = await (await open('refuse')).volume.group(0)
    const before = await open('report')
    const { blockSize } = before.superblock
    const changed = Buffer.from(bytes)
    changed[group[name] * blockSize]! ^= 1
    // A block of no file: the block bitmap says what it is.
    changed[before.superblock.blockCount * blockSize - 1]! ^= 1
    const run = async (damage: 'refuse' | 'report') => {
      const now = await openExt(openRawImage(openMemoryStore(changed)), { damage })
      await diffExt(await open(damage), now, [{ start: 0, end: changed.length }])
      return now.findings.map(({ message }) => message)
    }
    await expect(run('refuse')).rejects.toMatchObject({ code: 'FS_DAMAGED' })
    expect(await run('report')).toEqual([expect.stringMatching(/wrong checksum of the .* bitmap of group 0/)])
  },
)
