import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkEntry,
  decodeDevice,
  encodeDevice,
  entriesOf,
  fullMode,
  isCanonicalPath,
  type ManifestEntry,
  safePath,
  splitMode,
} from '../../../src/formats/manifest/index.js'
import { LinkNumbers } from '../../../src/formats/manifest/link-numbers.js'
import { clampSeconds, splitTime } from '../../../src/formats/manifest/time.js'
import { runs } from '../../support/amount.js'
import { bytesOf, entry, furtherName, itemsOf, listOf, treeArbitrary } from '../../support/manifest-entries.js'

describe('device numbers', () => {
  it('are those of the host', () => {
    expect(encodeDevice({ major: 1, minor: 3 })).toBe(259)
    expect(encodeDevice({ major: 300, minor: 3000 })).toBe(11611320)
    expect(encodeDevice({ major: 4095, minor: 1048575 })).toBe(0xffffffff)
    expect(decodeDevice(2 ** 32)).toBeNull()
    expect(decodeDevice(-1)).toBeNull()
  })

  it('come back', () => {
    fc.assert(
      fc.property(fc.nat(4095), fc.nat(1048575), (major, minor) => {
        expect(decodeDevice(encodeDevice({ major, minor }))).toEqual({ major, minor })
      }),
    )
  })
})

describe('paths', () => {
  it.each([
    ['a', 'a'],
    ['./a', 'a'],
    ['/a//b/./c/', 'a/b/c'],
    ['.', ''],
    ['', ''],
    ['/', ''],
    ['...', '...'],
    ['..a/b..', '..a/b..'],
  ])('%j is %j', (raw, path) => {
    expect(safePath(bytesOf(raw), 'x', {}).toString()).toBe(path)
    expect(isCanonicalPath(bytesOf(raw))).toBe(raw === path)
  })

  it.each(['..', 'a/..', '../a', '/../a', 'a/../b', 'a\0b', 'a'.repeat(70_000)])('%j is refused', (raw) => {
    expect(() => safePath(bytesOf(raw), 'x', { line: 3 })).toThrow(expect.objectContaining({ code: 'UNSAFE_PATH' }))
    expect(isCanonicalPath(bytesOf(raw))).toBe(false)
  })
})

describe('entries', () => {
  it('of random trees are fit', () => {
    fc.assert(
      fc.property(treeArbitrary, (tree) => tree.forEach(checkEntry)),
      { numRuns: runs(30) },
    )
  })

  const xattr = (name: string, length = 0) => ({ xattrs: [{ name: bytesOf(name), value: Buffer.alloc(length) }] })
  const wrong: [string, Partial<ManifestEntry>][] = [
    ['./a', {}],
    ['a/', {}],
    ['', {}],
    ['a', { mode: 0o10000 }],
    ['a', { uid: -1 }],
    ['a', { gid: 2 ** 32 }],
    ['a', { uid: 1.5 }],
    ['a', { device: { major: 1, minor: 1 } }],
    ['a', { type: 'block', device: { major: 4096, minor: 1 } }],
    ['a', { type: 'symlink', linkTarget: null }],
    ['a', { type: 'symlink', linkTarget: bytesOf('') }],
    ['a', { linkTarget: bytesOf('x') }],
    ['a', { type: 'directory', hardLinkTo: bytesOf('x') }],
    ['a', { hardLinkTo: bytesOf('') }],
    ['a', { size: -1 }],
    ['a', { size: Number.NaN }],
    ['a', { type: 'fifo', size: 1 }],
    ['a', { mtimeNs: 2n ** 100n }],
    ['a', xattr('')],
    ['a', xattr('x', 70_000)],
  ]
  it.each(wrong)('of kind %# are not', (path, change) => {
    expect(() => checkEntry(entry(path, change))).toThrow(expect.objectContaining({ code: 'ENTRY_UNFIT' }))
  })

  it('are taken out of items', async () => {
    const tree = [entry('a'), entry('b', { size: 5 })]
    expect(await listOf(entriesOf(itemsOf(tree)))).toEqual(tree)
  })
})

describe('link numbers', () => {
  it('are forgotten after the last name where the count is known', () => {
    const numbers = new LinkNumbers()
    const first = entry('a', { linkCount: 2 })
    const { inode } = numbers.numberOf(first)
    expect(numbers.numberOf(furtherName('b', first))).toMatchObject({ inode, linkCount: 2 })
    expect(() => numbers.numberOf(furtherName('c', first))).toThrow(expect.objectContaining({ code: 'ENTRY_UNFIT' }))
  })
})

describe('modes and times', () => {
  it('come back', () => {
    for (const type of ['file', 'directory', 'symlink', 'character', 'block', 'fifo', 'socket'] as const) {
      expect(splitMode(fullMode(type, 0o4755))).toEqual({ type, mode: 0o4755 })
    }
    for (const none of [-1, 0, 0o644, 0o170644, 0o300644, 1.5]) expect(splitMode(none)).toBeNull()
  })

  it('are split below', () => {
    expect(splitTime(-1n)).toEqual({ seconds: -1n, nanoseconds: 999_999_999 })
    expect(clampSeconds(-1n)).toEqual({ seconds: 0, isExact: false })
    expect(clampSeconds(2n ** 62n)).toEqual({ seconds: 0xffffffff, isExact: false })
    expect(clampSeconds(1_500_000_000n)).toEqual({ seconds: 1, isExact: true })
  })
})
