import { describe, expect, it } from 'vitest'
import { writeCpio } from '../../../src/formats/cpio/index.js'
import { recogniseStream } from '../../../src/formats/recognise/recognise-stream.js'
import { writeTar } from '../../../src/formats/tar/index.js'
import { bytesOf, collect, entry, itemsOf } from '../../support/manifest-entries.js'

describe('the kind of a stream', () => {
  it.each<[string, number[] | string]>([
    ['gzip', [0x1f, 0x8b, 8, 0]],
    ['compress', [0x1f, 0x9d, 0x90]],
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd, 4]],
    ['bzip2', 'BZh91AY&SY'],
    ['bzip2', 'BZh11AY&SY'],
    ['lz4', [0x04, 0x22, 0x4d, 0x18]],
    ['lz4', [0x02, 0x21, 0x4c, 0x18]],
    ['lzip', 'LZIP\x01'],
    ['lzop', [0x89, 0x4c, 0x5a, 0x4f, 0, 0x0d, 0x0a, 0x1a, 0x0a]],
    ['lzma', [0x5d, 0, 0, 0x80, 0]],
  ])('is known for %s', (name, start) => {
    const bytes = typeof start === 'string' ? bytesOf(start) : Buffer.from(start)
    expect(recogniseStream(bytes)).toMatchObject({ kind: 'compressed', by: { name } })
  })

  it('is known for archives and lists', async () => {
    const one = [entry('f', { size: 3 })]
    expect(recogniseStream((await collect(writeTar(itemsOf(one)))).subarray(0, 512))).toEqual({ kind: 'tar' })
    expect(recogniseStream(await collect(writeCpio(itemsOf(one))))).toEqual({ kind: 'cpio' })
    expect(recogniseStream(bytesOf('070702'))).toEqual({ kind: 'cpio' })
    expect(recogniseStream(bytesOf('070707'))).toEqual({ kind: 'old cpio', form: 'odc' })
    expect(recogniseStream(Buffer.of(0xc7, 0x71))).toEqual({ kind: 'old cpio', form: 'binary' })
    expect(recogniseStream(Buffer.of(0x71, 0xc7))).toEqual({ kind: 'old cpio', form: 'binary' })
    expect(recogniseStream(bytesOf('#mtree v2.0\n'))).toEqual({ kind: 'mtree' })
    const save = 'dev=fe00,ino=2,mode=104755,uid=0,gid=50,nlink=1,rdev=0\n'
    expect(recogniseStream(bytesOf(save))).toEqual({ kind: 'fakeroot' })
    expect(recogniseStream(bytesOf('hsqs'))).toEqual({ kind: 'squashfs image' })
    expect(recogniseStream(bytesOf('PK\x03\x04'))).toEqual({ kind: 'zip' })
  })

  it('is unknown for text, for zeros and for nothing', () => {
    for (const start of [
      Buffer.alloc(0),
      Buffer.alloc(512),
      bytesOf('/dev d 755 0 0\n'),
      bytesOf('BZh9 d 755 0 0\n'),
    ]) {
      expect(recogniseStream(start)).toBeNull()
    }
  })
})
