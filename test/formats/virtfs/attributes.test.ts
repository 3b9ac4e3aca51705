import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseVirtfs, serializeVirtfs } from '../../../src/formats/virtfs/index.js'
import { runs } from '../../support/amount.js'
import { expectHardened } from '../../support/archive-trials.js'
import { bytesOf, collect, entry, treeArbitrary } from '../../support/manifest-entries.js'

const trial = async (source: AsyncIterable<Uint8Array>) => parseVirtfs(await collect(source), { name: 'x' })

describe('attributes of QEMU mapped-file', () => {
  it('have known text', () => {
    expect(serializeVirtfs(entry('a', { mode: 0o755, uid: 1000, gid: 50 })).toString()).toBe(
      'virtfs.uid=1000\nvirtfs.gid=50\nvirtfs.mode=33261\n',
    )
    const device = { major: 1, minor: 3 }
    expect(serializeVirtfs(entry('null', { type: 'character', device, mode: 0o666 })).toString()).toBe(
      'virtfs.uid=0\nvirtfs.gid=0\nvirtfs.mode=8630\nvirtfs.rdev=259\n',
    )
  })

  it('come back', () => {
    fc.assert(
      fc.property(treeArbitrary, (tree) => {
        for (const one of tree) {
          const small = { ...one, uid: one.uid % 2 ** 31, gid: one.gid % 2 ** 31 }
          if ((one.device?.minor ?? 0) >= 2 ** 19) continue
          const { uid, gid, type, mode, device } = small
          expect(parseVirtfs(serializeVirtfs(small))).toEqual({ uid, gid, type, mode, device })
        }
      }),
      { numRuns: runs(50) },
    )
  })

  it('may say less, in any order', () => {
    const nothing = { uid: null, gid: null, type: null, mode: null, device: null }
    expect(parseVirtfs(bytesOf(''))).toEqual(nothing)
    expect(parseVirtfs(bytesOf('virtfs.gid=7'))).toEqual({ ...nothing, gid: 7 })
    expect(parseVirtfs(bytesOf('virtfs.rdev=259\nvirtfs.mode=33188\n'))).toEqual({
      ...nothing,
      type: 'file',
      mode: 0o644,
    })
  })

  it('are refused where atoi would get them wrong', () => {
    const unfit = expect.objectContaining({ code: 'ENTRY_UNFIT' })
    expect(() => serializeVirtfs(entry('a', { uid: 2 ** 31 }))).toThrow(unfit)
    expect(() => serializeVirtfs(entry('a', { gid: 2 ** 31 }))).toThrow(unfit)
    const device = { major: 1, minor: 2 ** 19 }
    expect(() => serializeVirtfs(entry('a', { type: 'block', device }))).toThrow(unfit)
  })

  it.each([
    ['text\n', 'NOT_ARCHIVE'],
    ['virtfs.uid\n', 'NOT_ARCHIVE'],
    ['virtfs.size=4\n', 'NOT_ARCHIVE'],
    ['virtfs.uid=0\n'.repeat(1000), 'NOT_ARCHIVE'],
    ['virtfs.uid=\n', 'BAD_ARCHIVE'],
    ['virtfs.uid=-1\n', 'BAD_ARCHIVE'],
    ['virtfs.uid=1 \n', 'BAD_ARCHIVE'],
    ['virtfs.uid=4294967296\n', 'BAD_ARCHIVE'],
    ['virtfs.mode=420\n', 'BAD_ARCHIVE'],
    ['virtfs.mode=8630\n', 'BAD_ARCHIVE'],
  ])('are not %j', (text, code) => {
    expect(() => parseVirtfs(bytesOf(text))).toThrow(expect.objectContaining({ code }))
  })

  it('stand changed bytes', async () => {
    const device = { major: 1, minor: 3 }
    await expectHardened(trial, serializeVirtfs(entry('null', { type: 'character', device })), 1000)
  })
})
