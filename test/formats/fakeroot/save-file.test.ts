import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  fakerootRecord,
  parseFakerootLine,
  readFakeroot,
  serializeFakerootLine,
  writeFakeroot,
} from '../../../src/formats/fakeroot/index.js'
import { runs } from '../../support/amount.js'
import { expectHardened, outcomeOf } from '../../support/archive-trials.js'
import { asyncOf, bytesOf, collect, cut, entry, listOf, treeArbitrary } from '../../support/manifest-entries.js'

const identity = { dev: 0xfe00n, ino: 2902331n, nlink: 1 }
const trial = (source: AsyncIterable<Uint8Array>) => listOf(readFakeroot(source, { name: 'x.fakeroot' }))

describe('the save file of fakeroot', () => {
  it('has known lines', () => {
    const suid = fakerootRecord(entry('a', { mode: 0o4755, uid: 1000, gid: 50 }), identity)
    expect(serializeFakerootLine(suid).toString()).toBe(
      'dev=fe00,ino=2902331,mode=104755,uid=1000,gid=50,nlink=1,rdev=0\n',
    )
    const device = { major: 300, minor: 3000 }
    const node = fakerootRecord(entry('b', { type: 'block', device, uid: 3000000000 }), {
      ...identity,
      ino: 2n ** 64n - 1n,
    })
    expect(serializeFakerootLine(node).toString()).toBe(
      'dev=fe00,ino=18446744073709551615,mode=60644,uid=3000000000,gid=0,nlink=1,rdev=11611320\n',
    )
  })

  it('gives back what any tree has, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(treeArbitrary, fc.integer({ min: 1, max: 300 }), async (tree, length) => {
        const records = tree.map((one, i) => fakerootRecord(one, { dev: 1n, ino: BigInt(i), nlink: 1 }))
        expect(await trial(cut(await collect(writeFakeroot(asyncOf(records))), length))).toEqual(records)
      }),
      { numRuns: runs(50) },
    )
  })

  it('stands changed bytes', async () => {
    const line = serializeFakerootLine(fakerootRecord(entry('a'), identity))
    const counts = await expectHardened(trial, Buffer.concat([line, line, line]), 1000)
    expect(counts.get('BAD_ARCHIVE')).toBeGreaterThan(50)
    for (let length = 1; length < line.length; length++) {
      expect(await outcomeOf(trial, line.subarray(0, length))).toBe('TRUNCATED_ARCHIVE')
    }
  })

  it.each([
    'dev=fe00,ino=1,mode=104755,uid=0,gid=0,nlink=1',
    'ino=1,dev=fe00,mode=104755,uid=0,gid=0,nlink=1,rdev=0',
    'dev=FE00,ino=1,mode=104755,uid=0,gid=0,nlink=1,rdev=0',
    'dev=fe00,ino=18446744073709551616,mode=104755,uid=0,gid=0,nlink=1,rdev=0',
    'dev=fe00,ino=1,mode=4755,uid=0,gid=0,nlink=1,rdev=0',
    'dev=fe00,ino=1,mode=104755,uid=-1,gid=0,nlink=1,rdev=0',
    'dev=fe00,ino=1,mode=104755,uid=0,gid=4294967296,nlink=1,rdev=0',
    'dev=fe00,ino=1,mode=20755,uid=0,gid=0,nlink=1,rdev=4294967296',
  ])('has no line %s', (line) => {
    expect(parseFakerootLine(bytesOf(line))).toBeNull()
  })
})
