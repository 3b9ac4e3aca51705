import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { check } from '../../src/index.js'
import { temporaryDirectory } from '../support/paths.js'

const dataOffset = 12_288

test.each([
  ['unmounted', 0x3a, 1, null],
  ['with a journal that holds changes', 0x60, 0x46, /its journal must be replayed/],
  ['with errors', 0x3a, 3, /has errors/],
  ['without a journal, and mounted', 0x3a, 0, /was not unmounted, and has no journal/],
  ['with deleted files that were open', 0xe8, 13, /deleted while they were open/],
])('check --deep on an overlay whose file system is %s', async (_, field, value, message) => {
  const { paths } = unpackPair('ext4', temporaryDirectory())
  const [cow, backing] = [paths.overlays[0]!, paths.backing]
  // The kernel wrote the superblock into the overlay.
  const at = dataOffset + 1024 + field
  expect(readFileSync(cow).readUInt16LE(dataOffset + 1024 + 0x38)).toBe(0xef53)
  const bytes = readFileSync(cow)
  bytes[at] = value
  writeFileSync(cow, bytes)
  const { findings } = await check(cow, { backing, deep: true })
  const notes = findings.filter(({ code }) => code === 'FS_STATE')
  if (message === null) expect(notes).toEqual([])
  else expect(notes).toMatchObject([{ severity: 'note', message: expect.stringMatching(message) }])
  expect((await check(cow, { backing })).findings.filter(({ code }) => code === 'FS_STATE')).toEqual([])
})
