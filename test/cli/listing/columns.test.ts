import { expect, onTestFinished, test } from 'vitest'
import { painterOf } from '../../../src/cli/listing/colours.js'
import { humanSize } from '../../../src/cli/listing/human-size.js'
import { type ListStyle, listLines, totalLine } from '../../../src/cli/listing/long-columns.js'
import { newerArgument } from '../../../src/cli/listing/newer-argument.js'
import { fullTime, isoTime, timeWriter } from '../../../src/cli/listing/time-style.js'
import { typeArgument } from '../../../src/cli/listing/type-argument.js'
import type { ExtInode } from '../../../src/core.js'
import type { ListedFile } from '../../../src/index.js'

const inodeOf = (facts: Partial<ExtInode>) =>
  ({
    ...{ number: 12, type: 'file', mode: 0o644, uid: 0, gid: 0, linkCount: 1, size: 0, allocatedSize: 0, device: null },
    mtime: { seconds: 0, nanoseconds: 0 },
    ...facts,
  }) as ExtInode

const file = (name: string, facts: Partial<ExtInode> = {}, more: Partial<ListedFile> = {}): ListedFile => ({
  ...{ name: Buffer.from(name), inode: inodeOf(facts), target: null, hasAccessList: false },
  ...more,
})

const plain: ListStyle = {
  ...{ isLong: true, showsInodes: false, isHuman: false, ownerNames: null, paint: null },
  time: () => 'TIME',
}
const lines = (files: ListedFile[], style: Partial<ListStyle> = {}) => [...listLines(files, { ...plain, ...style })]

test('columns are as wide as their longest value', () => {
  const files = [
    file('a', { size: 5, uid: 1000, linkCount: 12 }),
    file('dir', { type: 'directory', mode: 0o1777, size: 4096, gid: 70_000 }),
    file('tty', { type: 'character', device: { major: 4, minor: 64 } }),
    file('link', { type: 'symlink', mode: 0o777, size: 3 }, { target: Buffer.from('di\nr') }),
  ]
  expect(lines(files)).toEqual([
    '-rw-r--r-- 12 1000     0     5 TIME a\n',
    'drwxrwxrwt  1    0 70000  4096 TIME dir\n',
    'crw-r--r--  1    0     0 4, 64 TIME tty\n',
    'lrwxrwxrwx  1    0     0     3 TIME link -> di\\x0ar\n',
  ])
  expect(lines(files, { isLong: false, showsInodes: true })[0]).toBe('12 a\n')
  expect(totalLine([file('a', { allocatedSize: 512 }), file('b', { allocatedSize: 4096 })], plain)).toBe('total 5\n')
})

test('the numbers of devices may be wider than the sizes, and an ACL widens the modes', () => {
  const files = [
    file('a', { size: 5 }, { hasAccessList: true }),
    file('big', { type: 'block', device: { major: 300, minor: 3000 } }),
    file('null', { type: 'character', device: { major: 1, minor: 3 } }),
  ]
  expect(lines(files)).toEqual([
    '-rw-r--r--+ 1 0 0         5 TIME a\n',
    'brw-r--r--  1 0 0 300, 3000 TIME big\n',
    'crw-r--r--  1 0 0   1,    3 TIME null\n',
  ])
})

test('names of owners stand at the left, numbers at the right', () => {
  const ownerNames = { user: (uid: number) => (uid === 0 ? 'root' : null), group: () => 'staff' }
  expect(lines([file('a'), file('b', { uid: 123_456 })], { ownerNames })).toEqual([
    '-rw-r--r-- 1 root   staff 0 TIME a\n',
    '-rw-r--r-- 1 123456 staff 0 TIME b\n',
  ])
})

test.each([
  [0, '0'],
  [1023, '1023'],
  [1024, '1.0K'],
  [1025, '1.1K'],
  [10_240, '10K'],
  [10_241, '11K'],
  [1_047_553, '1.0M'],
  [1024 ** 2 - 1, '1.0M'],
  [9.95 * 1024 ** 3, '10G'],
  [2 ** 60, '1.0E'],
])('%d bytes are %s', (bytes, text) => {
  expect(humanSize(bytes)).toBe(text)
})

test('times are those of ls, in the time zone of TZ', () => {
  const before = process.env['TZ']
  onTestFinished(() => {
    if (before === undefined) delete process.env['TZ']
    else process.env['TZ'] = before
  })
  process.env['TZ'] = 'America/St_Johns'
  const time = { seconds: Date.UTC(2026, 0, 5, 12) / 1000, nanoseconds: 1_000_000 }
  const write = (style: Parameters<typeof timeWriter>[0], now: number) => timeWriter(style, now)(time)
  expect(write('locale', time.seconds)).toBe('Jan  5 08:30')
  expect(write('locale', time.seconds - 1)).toBe('Jan  5  2026')
  expect(write('locale', time.seconds + 15_778_476)).toBe('Jan  5  2026')
  expect(write('locale', time.seconds + 15_778_475)).toBe('Jan  5 08:30')
  expect(write('iso', time.seconds)).toBe('01-05 08:30')
  expect(write('iso', 2e9)).toBe('2026-01-05 ')
  expect(write('long-iso', 0)).toBe('2026-01-05 08:30')
  expect(write('full-iso', 0)).toBe('2026-01-05 08:30:00.001000000 -0330')
  process.env['TZ'] = 'UTC'
  expect(fullTime({ seconds: -1, nanoseconds: 0 })).toBe('1969-12-31 23:59:59.000000000 +0000')
  expect(isoTime({ seconds: -1, nanoseconds: 5 })).toBe('1969-12-31T23:59:59.000000005Z')
  expect(newerArgument('2026-01-31')).toEqual({ newer: Date.UTC(2026, 0, 31) / 1000 })
  expect(newerArgument('2026-01-31 12:30')).toEqual({ newer: Date.UTC(2026, 0, 31, 12, 30) / 1000 })
  expect(newerArgument('2026-01-31T12:30:00+01:00')).toEqual({ newer: Date.UTC(2026, 0, 31, 11, 30) / 1000 })
  expect(newerArgument('@12')).toEqual({ newer: 12 })
  expect(newerArgument('/etc/passwd')).toEqual({ newerThan: '/etc/passwd' })
  for (const text of ['yesterday', '2026-13-01', '2026', '@', '@x', ''])
    expect(() => newerArgument(text)).toThrow('Give a date')
})

test('types are the letters of find', () => {
  expect(typeArgument('d,l', ['file'])).toEqual(['file', 'directory', 'symlink'])
  for (const text of ['x', '', 'f,', 'toString']) expect(() => typeArgument(text)).toThrow('is none of f, d, l')
})

test('colours are those of LS_COLORS, and nothing else reaches the terminal', () => {
  const paint = (text: string, name: string, facts: Partial<ExtInode> = {}) =>
    painterOf(text)(Buffer.from(name), inodeOf(facts), name)
  const painted = (colour: string, name: string) => `\x1b[${colour}m${name}\x1b[0m`
  expect(paint('', 'd', { type: 'directory' })).toBe(painted('01;34', 'd'))
  expect(paint('', 'plain')).toBe('plain')
  expect(paint('', 'x', { mode: 0o755 })).toBe(painted('01;32', 'x'))
  expect(paint('', 'x', { mode: 0o4755 })).toBe(painted('37;41', 'x'))
  expect(paint('su=00:ex=1', 'x', { mode: 0o4755 })).toBe(painted('1', 'x'))
  expect(paint('*.GZ=31:*.tar.gz=32', 'a.tar.gz')).toBe(painted('32', 'a.tar.gz'))
  expect(paint('*.gz=31', 'a.gz', { mode: 0o755 })).toBe(painted('31', 'a.gz'))
  expect(paint('di=1:tw=2:ow=3:st=4', 'd', { type: 'directory', mode: 0o1777 })).toBe(painted('2', 'd'))
  expect(paint('di=1:tw=2:ow=3:st=4', 'd', { type: 'directory', mode: 0o777 })).toBe(painted('3', 'd'))
  expect(paint('di=1:tw=2:ow=3:st=4', 'd', { type: 'directory', mode: 0o1755 })).toBe(painted('4', 'd'))
  expect(paint('di=1;\x1b]0;title\x07:ln=target:=1:di', 'd', { type: 'directory' })).toBe('d')
  expect(paint('ln=target', 'l', { type: 'symlink' })).toBe('l')
})
