import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { AttributeSearch } from '../../../../src/machine/programs/getfattr.js'
import { openVirtfsSource, readVirtfsTree } from '../../../../src/trees/kinds/9p/source.js'
import { type Attributes, plainTree, readerWith } from '../../../support/attributes.js'
import { readAll } from '../../scenes.js'

const littleEndian = (value: number, length: number) => {
  const bytes = Buffer.alloc(length)
  bytes.writeUIntLE(value, 0, Math.min(length, 6))
  return `0x${bytes.toString('hex')}`
}

/** Attributes as QEMU writes them. */
function virtfs(values: { uid?: number; gid?: number; mode?: number; rdev?: number }): Record<string, string> {
  const all = Object.entries(values)
  return Object.fromEntries(
    all.map(([name, value]) => [`user.virtfs.${name}`, littleEndian(value, name === 'rdev' ? 8 : 4)]),
  )
}

const attributes: Attributes = {
  '': virtfs({ uid: 1, gid: 2, mode: 0o41777 }),
  dir: virtfs({ uid: 3, gid: 4, mode: 0o42755 }),
  'dir/disk': virtfs({ mode: 0o60660, rdev: 259 }),
  file: virtfs({ uid: 3_000_000_000, gid: 50, mode: 0o104755 }),
  link: virtfs({ mode: 0o120777 }),
  'only owner': virtfs({ uid: 7 }),
}

function scene(): string {
  const top = plainTree('file', 'dir/disk', 'link', 'only owner', 'none')
  fs.truncateSync(path.join(top, 'dir', 'disk'))
  for (const name of ['none', 'only owner']) fs.chmodSync(path.join(top, name), 0o600)
  return top
}

async function refused(top: string, found: Attributes, end?: AttributeSearch): Promise<string> {
  const source = openVirtfsSource(top, { reader: readerWith(found, end) })
  const error = await source.survey().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'BAD_ARCHIVE' })
  return (error as Error).message.replaceAll(top, 'TOP')
}

describe("a mapped-xattr tree of QEMU's 9p server", () => {
  it('was read as owners and modes of the host; it is read as what a guest sees', async () => {
    const all = await readAll(readVirtfsTree(scene(), { reader: readerWith(attributes) }))
    const ids = `${process.geteuid?.()} ${process.getegid?.()}`
    expect(all['']!.text).toMatch(/^directory 1777 1 2 /)
    expect(all['dir']!.text).toMatch(/^directory 2755 3 4 /)
    expect(all['dir/disk']!.text).toMatch(new RegExp(`^block 660 ${ids} 1 3 `))
    expect(all['file']!.text).toMatch(/^file 4755 3000000000 50 /)
    expect(all['link']!.text).toMatch(/^symlink 777 .* link link$/)
    expect(all['only owner']!.text).toMatch(/^file 600 7 /)
    expect(all['none']!.text).toMatch(new RegExp(`^file 600 ${ids} `))
  })

  it('loses nothing but what a guest set itself', async () => {
    const acl = { ...attributes['file'], 'user.virtfs.system.posix_acl_access': null }
    const source = openVirtfsSource(scene(), { reader: readerWith({ ...attributes, file: acl }) })
    await source.survey({ attributes: true })
    expect(source.warnings[0]).toMatch(/file: loses user\.virtfs\.system\.posix_acl_access$/)
    expect(source.warnings).toHaveLength(2)
  })

  it.each<[string, Attributes, RegExp]>([
    ['too short', { file: { 'user.virtfs.uid': '0x01' } }, /user.virtfs.uid does not fit/],
    ['empty', { file: { 'user.virtfs.uid': '0x' } }, /user.virtfs.uid does not fit/],
    ['too long', { file: { 'user.virtfs.gid': null } }, /user.virtfs.gid does not fit/],
    [
      'a device of 64 bits',
      { file: { ...virtfs({ mode: 0o20600 }), 'user.virtfs.rdev': `0x${'ff'.repeat(8)}` } },
      /rdev/,
    ],
    ['no mode of a file', { file: virtfs({ mode: 0o777 }) }, /not a mode of a file/],
    ['another type than the file', { dir: virtfs({ mode: 0o100644 }) }, /dir: is a directory, but a file/],
  ])('is refused with a value that is %s', async (_, found, message) => {
    expect(await refused(scene(), found)).toMatch(message)
  })

  it('is refused with attributes of mapped-file beside it', async () => {
    const top = scene()
    fs.mkdirSync(path.join(top, '.virtfs_metadata'))
    fs.writeFileSync(path.join(top, '.virtfs_metadata', 'file'), 'virtfs.uid=1\n')
    expect(await refused(top, attributes)).toBe(
      'TOP/file: has attributes of security_model=mapped-file, and its tree has those of mapped-xattr, too',
    )
  })

  it('is refused where only a part of it can be read', async () => {
    expect(await refused(scene(), attributes, { incomplete: 'why' })).toBe(
      'TOP: cannot read all of its extended attributes: why',
    )
  })
})

describe("a tree without attributes of QEMU's 9p server", () => {
  it.each<[AttributeSearch, RegExp]>([
    ['complete', /has no attributes of QEMU's 9p server, .*--from directory/],
    ['missing', /has no .virtfs_metadata, .* needs the program getfattr \(Debian: package attr\)/],
    [{ incomplete: 'why' }, /has no .virtfs_metadata, /],
  ])('is read with a warning when the search ends with %j', async (end, warning) => {
    const source = openVirtfsSource(plainTree('f'), { reader: readerWith({}, end) })
    await source.survey()
    expect(source.warnings).toEqual([expect.stringMatching(warning)])
  })

  it('has none with a single file of mapped-file', async () => {
    const top = plainTree('f')
    fs.writeFileSync(path.join(top, '.virtfs_metadata_root'), 'virtfs.uid=1\n')
    const source = openVirtfsSource(top, { reader: readerWith({}, 'missing') })
    await source.survey()
    expect(source.warnings).toEqual([])
  })
})
