import { expect, test } from 'vitest'
import { extFeatureNames, extFlagNames, extKind, extStates } from '../../../src/formats/ext/index.js'
import { modeText } from '../../../src/formats/manifest/index.js'

test('features have the names of e2fsprogs, and unknown ones a number', () => {
  const sets = { compatible: 0x4 + 0x80, incompatible: 0x2 + 0x80 + 0x20, readOnlyCompatible: 0x1 + 0x80000000 }
  const names = ['has_journal', 'FEATURE_C7', 'filetype', 'FEATURE_I5', '64bit', 'sparse_super', 'FEATURE_R31']
  expect(extFeatureNames(sets)).toEqual(names)
})

test.each([
  ['ext2', 0x38, 0x2, 0x3],
  ['ext2', 0x38, 0x12, 0x7],
  ['ext3', 0x3c, 0x6, 0x3],
  ['ext4', 0x3c, 0x42, 0x3],
  ['ext4', 0x38, 0x2, 0x403],
  // The driver of ext2 reads no file system that needs recovery.
  ['ext4', 0x38, 0x6, 0x3],
] as const)('%s is known by its features', (kind, compatible, incompatible, readOnlyCompatible) => {
  expect(extKind({ revision: 1, compatible, incompatible, readOnlyCompatible })).toBe(kind)
})

test('a file system of revision 0 is ext2, whatever is in the place of its features', () => {
  expect(extKind({ revision: 0, compatible: 4, incompatible: 0x40, readOnlyCompatible: 0x400 })).toBe('ext2')
})

test.each([
  [['clean'], { state: 1, incompatible: 0x2 }],
  [['mounted'], { state: 0, incompatible: 0x2 }],
  [['needs-recovery'], { state: 1, incompatible: 0x6 }],
  [['needs-recovery'], { state: 0, incompatible: 0x6 }],
  [['errors'], { state: 3, incompatible: 0x2 }],
  [['mounted', 'errors'], { state: 2, incompatible: 0x2 }],
  [['needs-recovery', 'errors'], { state: 3, incompatible: 0x6 }],
])('the state %s', (words, superblock) => {
  expect(extStates({ revision: 1, ...superblock })).toEqual(words)
})

test('revision 0 has no feature that says it needs recovery', () => {
  expect(extStates({ revision: 0, state: 1, incompatible: 0x4 })).toEqual(['clean'])
})

test('flags of inodes have names, and unknown ones a number', () => {
  expect(extFlagNames(0x80000 + 0x10 + 0x400)).toEqual(['immutable', '0x400', 'extents'])
  expect(extFlagNames(0x80000000)).toEqual(['0x80000000'])
  expect(extFlagNames(0)).toEqual([])
})

test.each([
  ['file', 0o644, '-rw-r--r--'],
  ['directory', 0o1777, 'drwxrwxrwt'],
  ['directory', 0o1776, 'drwxrwxrwT'],
  ['file', 0o4755, '-rwsr-xr-x'],
  ['file', 0o6644, '-rwSr-Sr--'],
  ['file', 0o2755, '-rwxr-sr-x'],
  ['symlink', 0o777, 'lrwxrwxrwx'],
  ['character', 0o600, 'crw-------'],
  ['block', 0o060, 'b---rw----'],
  ['fifo', 0, 'p---------'],
  ['socket', 0o001, 's--------x'],
  [null, 0o644, '?rw-r--r--'],
] as const)('%s with mode %o is %s', (type, mode, text) => {
  expect(modeText(type, mode)).toBe(text)
})
