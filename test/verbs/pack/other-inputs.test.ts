import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { pack, unpack } from '../../../src/index.js'
import { listPack } from '../../../src/verbs/unpack/index.js'
import { inPieces } from '../../support/byte-streams.js'
import { makePackScene } from './scene.js'

const quick = { noSync: true } as const

test.each<[what: string, start: string | Buffer, says: RegExp]>([
  ['a raw image', Buffer.alloc(4096, 'data'), /is not a pack: it begins as no tar archive does; it may be a raw image/],
  ['a raw image that begins with zeros', Buffer.alloc(4096), /it may be a raw image/],
  ['a compressed raw image', gzipSync(Buffer.alloc(4096, 'data')), /it may be a raw image/],
  ['a qcow2 image', Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), Buffer.alloc(4096)]), /an image in qcow2 format/],
  ['data that is compressed twice', gzipSync(gzipSync('x')), /it is compressed with gzip/],
  ['a cpio archive', `070701${'0'.repeat(600)}`, /it is a cpio archive/],
  ['an old cpio archive', `070707${'0'.repeat(600)}`, /it is a cpio archive/],
  ['a zip archive', `PK\x03\x04${'0'.repeat(600)}`, /it is a zip archive/],
  ['mtree text', '#mtree\n', /it is mtree text/],
])('a pack is not %s, and the message says so', async (_, start, says) => {
  const bytes = Buffer.from(start as string, 'latin1')
  await expect(listPack({ name: 'it', bytes: inPieces(bytes, 100) })).rejects.toMatchObject({
    code: 'NOT_PACK',
    message: expect.stringMatching(says),
    hint: expect.any(String),
  })
})

test('an overlay in place of a pack is named as one', async () => {
  const { cow } = makePackScene()
  await expect(unpack(cow)).rejects.toMatchObject({
    code: 'NOT_PACK',
    message: `${cow}: is not a pack: it is an image in cow format`,
  })
})

test('the directory of unpack must exist', async () => {
  const scene = makePackScene()
  await pack(scene.pack, [scene.cow], { ...quick, delta: true })
  const at = (name: string) => path.join(scene.directory, name)
  await expect(unpack(scene.pack, { ...quick, directory: at('mis sing') })).rejects.toMatchObject({
    code: 'ENOENT',
    message: `${at('mis sing')}: there is no such directory`,
    hint: `make it first: mkdir '${at('mis sing')}'`,
  })
  writeFileSync(at('file'), '')
  await expect(unpack(scene.pack, { ...quick, directory: at('file') })).rejects.toMatchObject({
    code: 'ENOTDIR',
    message: `${at('file')}: is not a directory`,
  })
  mkdirSync(at('mis sing'))
  await unpack(scene.pack, { ...quick, directory: at('mis sing') })
})
