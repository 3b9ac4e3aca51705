import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { writeCpio } from '../../../src/formats/cpio/index.js'
import { writeTar } from '../../../src/formats/tar/index.js'
import type { StreamFormat } from '../../../src/trees/kinds/table.js'
import { importHumfs } from '../../../src/trees/transfer/import-humfs.js'
import { scratchDirectory } from '../../support/humfs-tree.js'
import { bytesOf, collect, cut, entry, itemsOf } from '../../support/manifest-entries.js'

const one = [entry('f', { size: 3 })]
const tar = await collect(writeTar(itemsOf(one)))
const cpio = await collect(writeCpio(itemsOf(one)))

/** The error of an import of a file that has these bytes. */
async function failure(from: StreamFormat, name: string, bytes: Uint8Array) {
  const top = scratchDirectory()
  const file = path.join(top, name)
  fs.writeFileSync(file, bytes)
  const tree = from === 'tar' || from === 'cpio' ? undefined : scratchDirectory()
  const error = await importHumfs(file, path.join(top, 'made'), { from, tree, noSync: true }).catch((thrown) => thrown)
  expect(fs.readdirSync(top)).toEqual([name])
  expect(error.code).toBe('NOT_ARCHIVE')
  return { message: error.message.replace(`${file}: `, ''), hint: error.hint?.replaceAll(`${top}/`, '') }
}

describe('an input of another kind than --from says', () => {
  it('that is compressed is named with the command that unpacks it', async () => {
    const gzip = zlib.gzipSync(tar)
    expect(await failure('tar', 'a b.tar.gz', gzip)).toEqual({
      message: 'is compressed with gzip',
      hint: expect.stringMatching(/^unpack it first: zcat '.*a b.tar.gz' \| umlcow humfs import --from tar - made$/),
    })
    for (const from of ['cpio', 'mtree', 'fakeroot', 'squashfs'] as const) {
      const { message, hint } = await failure(from, 'x.gz', gzip)
      expect(message).toBe('is compressed with gzip')
      const tree = from === 'cpio' ? '' : ' --tree .*'
      expect(hint).toMatch(new RegExp(`zcat x.gz \\| umlcow humfs import --from ${from}${tree} - made$`))
    }
  })

  it('is named in a pipe too, even if it comes in single bytes', async () => {
    const input = { name: 'standard input', bytes: cut(zlib.gzipSync(tar).subarray(0, 30), 1) }
    await expect(importHumfs(input, null, { from: 'tar', dryRun: true })).rejects.toMatchObject({
      code: 'NOT_ARCHIVE',
      message: 'standard input: is compressed with gzip',
      hint: 'unpack it first: ... | zcat | umlcow humfs import --from tar --dry-run -',
    })
  })

  it.each([
    ['directory', tar, 'use --from tar'],
    ['9p', bytesOf('#mtree\n. type=dir\n'), 'use --from mtree'],
    ['humfs', cpio, 'use --from cpio'],
    ['directory', bytesOf('text'), '--from tar, cpio, mtree, fakeroot, squashfs: these read a file'],
  ] as const)(
    'that is a file, and --from %s takes a directory, is named with the way to read it',
    async (from, bytes, hint) => {
      const file = path.join(scratchDirectory(), 'input')
      fs.writeFileSync(file, bytes)
      await expect(importHumfs(file, null, { from, dryRun: true })).rejects.toMatchObject({
        code: 'ENOTDIR',
        message: `${file}: is no directory, and --from says ${from}`,
        hint,
      })
    },
  )

  it.each([
    [['data/', 'superblock'], 'humfs'],
    [['.virtfs_metadata/'], '9p'],
    [['data/'], 'directory'],
  ])('that is a directory is named with the way to read it: %j', async (names, kind) => {
    const top = scratchDirectory()
    for (const name of names) {
      if (name.endsWith('/')) fs.mkdirSync(path.join(top, name))
      else fs.writeFileSync(path.join(top, name), '')
    }
    await expect(importHumfs(top, null, { from: 'tar', dryRun: true })).rejects.toMatchObject({
      code: 'NOT_A_FILE',
      hint: `use --from ${kind}`,
    })
  })

  it('is named with the format that it has', async () => {
    expect(await failure('cpio', 'x', tar)).toEqual({
      message: 'is a tar archive, and --from says cpio',
      hint: 'use --from tar',
    })
    expect((await failure('tar', 'x', cpio)).hint).toBe('use --from cpio')
    expect((await failure('tar', 'x', bytesOf('#mtree\n. type=dir\n'))).hint).toBe('use --from mtree')
    expect((await failure('squashfs', 'x', bytesOf('hsqs'))).hint).toContain('unsquashfs')
  })

  it.each([
    ['odc', bytesOf('0707070000010000021006440000000000000000010000000000000')],
    ['binary', Buffer.of(0xc7, 0x71, 0, 0)],
    ['binary', Buffer.of(0x71, 0xc7, 0, 0)],
  ])('that is an old form of cpio is named with the conversion: %s', async (form, bytes) => {
    expect(await failure('cpio', 'x', bytes)).toEqual({
      message: `is a cpio archive in the ${form} form, and umlcow reads the form "newc"`,
      hint: 'convert it: bsdtar -cf - --format=newc @x | umlcow humfs import --from cpio - made',
    })
  })
})
