import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { localTreeReader } from '../../../src/trees/host/tree-reader.js'
import { writeVirtfsTree } from '../../../src/trees/kinds/9p/sink.js'
import { openVirtfsSource } from '../../../src/trees/kinds/9p/source.js'
import { writeDirectory } from '../../../src/trees/kinds/directory/sink.js'
import { openDirectorySource } from '../../../src/trees/kinds/directory/source.js'
import { exportToTree } from '../../../src/trees/transfer/export-to-tree.js'
import { exportTree } from '../../../src/trees/transfer/export-tree.js'
import { importHumfs } from '../../../src/trees/transfer/import-humfs.js'
import { type Attributes, netRaw, plainTree, readerWith } from '../../support/attributes.js'
import { scratchDirectory } from '../../support/humfs-tree.js'
import { bytesOf, entry, itemsOf } from '../../support/manifest-entries.js'

const copies =
  'umlcow copies no extended attributes: "getfattr -R -P -h -d -m - DIR" shows those of a tree, with their values'
const acls = { 'system.posix_acl_access': null, 'system.posix_acl_default': null }
const attributes: Attributes = { 'bin/ping': { 'security.capability': netRaw }, bin: { ...acls, 'user.a\n=': '0x00' } }

const lossesOf = (top: string) => [
  `${top}/bin/ping: loses security.capability`,
  `${top}/bin: loses system.posix_acl_access, system.posix_acl_default, user.a\\x0a=; ` +
    'its group permissions are the mask of its ACL',
  copies,
]

describe('capabilities, ACLs and other attributes of files', () => {
  const reader = readerWith(attributes)

  it('are not lost where an access ACL is the mode in other words', async () => {
    const [mode, masked] = [
      ['0100 0600 ffffffff', '0400 0400 ffffffff', '2000 0400 ffffffff'],
      ['0100 0600 ffffffff', '0400 0400 ffffffff', '1000 0400 ffffffff', '2000 0400 ffffffff'],
    ].map((entries) => `0x02000000${entries.join('').replaceAll(' ', '')}`) as [string, string]
    const acl = (value: string) => ({ 'system.posix_acl_access': value })
    const own = readerWith({ a: acl(mode), b: acl(masked), c: { 'system.posix_acl_default': mode }, d: acl('0x') })
    const source = openDirectorySource(plainTree('a', 'b', 'c', 'd'), { reader: own })
    const { warnings } = await exportTree(source, 'none', { format: 'tar', dryRun: true })
    expect(warnings.map((one) => /\/(.): loses/.exec(one)?.[1])).toEqual(['b', 'c', 'd', undefined])
  })

  it.each([['tar'], ['cpio'], ['mtree']] as const)(
    'that an export to %s loses are named, in a dry run too',
    async (format) => {
      const top = plainTree('bin/ping')
      const target = path.join(scratchDirectory(), 'out')
      for (const dryRun of [true, false]) {
        const source = openDirectorySource(top, { reader })
        const { warnings } = await exportTree(source, target, { format, dryRun, noSync: true })
        expect(warnings).toEqual(lossesOf(top))
      }
    },
  )

  it.each([['fakeroot'], ['squashfs']] as const)('stay on the files that %s describes', async (format) => {
    const source = openDirectorySource(plainTree('bin/ping'), { reader })
    const target = path.join(scratchDirectory(), 'out')
    const { warnings } = await exportTree(source, target, { format, noSync: true })
    expect(warnings.filter((one) => one.includes('loses'))).toEqual([])
  })

  it.each([['directory'], ['9p']] as const)(
    'that an export to %s loses are named, in a dry run too',
    async (format) => {
      const top = plainTree('bin/ping')
      for (const dryRun of [true, false]) {
        const source = openDirectorySource(top, { reader })
        const made = path.join(scratchDirectory(), 'new')
        expect((await exportToTree(source, made, { format, dryRun, noSync: true })).warnings).toEqual(lossesOf(top))
      }
    },
  )

  it('that an import of a directory loses are named, in a dry run too', async () => {
    const top = plainTree('bin/ping')
    for (const dryRun of [true, false]) {
      const made = path.join(scratchDirectory(), 'new')
      const options = { from: 'directory', reader, dryRun, noSync: true } as const
      expect((await importHumfs(top, made, options)).warnings).toEqual(lossesOf(top))
    }
  })

  it('that files of --tree lose are named', async () => {
    const top = plainTree('bin/ping')
    const bytes = (async function* () {
      yield bytesOf('#mtree\n. type=dir uid=0 gid=0 mode=0755 time=1\n')
    })()
    const options = { from: 'mtree', tree: top, reader, dryRun: true } as const
    expect((await importHumfs({ name: 'm', bytes }, null, options)).warnings).toEqual(lossesOf(top))
  })

  it('of files that no target gets are not named: those of QEMU beside the tree', async () => {
    const top = plainTree('f', '.virtfs_metadata/f', 'd/.virtfs_metadata/x')
    fs.writeFileSync(path.join(top, '.virtfs_metadata', 'f'), 'virtfs.uid=5\n')
    const own = { 'user.a': null }
    const odd = readerWith({ f: own, '.virtfs_metadata': own, '.virtfs_metadata/f': own, 'd/.virtfs_metadata/x': own })
    const source = openVirtfsSource(top, { reader: odd })
    await source.survey({ attributes: true })
    expect(source.warnings).toEqual([`${top}/f: loses user.a`, copies])
  })

  it.each([
    ['a directory', writeDirectory, 'directory'],
    ['a tree for 9p', writeVirtfsTree, 'tree for the 9p server'],
  ] as const)('of an archive that becomes %s are named', async (_, write, kind) => {
    const xattrs = [{ name: bytesOf('user.a\xff'), value: bytesOf('') }]
    const items = itemsOf([entry('', { type: 'directory' }), entry('f', { xattrs })])
    const { warnings } = await write(items, path.join(scratchDirectory(), 'new'), { noSync: true })
    expect(warnings).toEqual(['f: loses user.a\xff', `umlcow writes no extended attributes into a ${kind}`])
  })
})

/** The warnings about a tree. */
async function warned(found: Attributes, end?: Parameters<typeof readerWith>[1]): Promise<readonly string[]> {
  const source = openDirectorySource(plainTree(), { reader: readerWith(found, end) })
  await source.survey({ attributes: true })
  return source.warnings.map((one) => one.replaceAll(source.top.toString(), 'TOP'))
}

describe('warnings about attributes', () => {
  it('name 1000 files, and count the others', async () => {
    const names = Array.from({ length: 1003 }, (_, i) => [`f${i}`, { 'user.a': null }] as const)
    const warnings = await warned(Object.fromEntries(names))
    expect(warnings).toHaveLength(1002)
    expect(warnings.slice(-3)).toEqual(['TOP/f999: loses user.a', 'and 3 more', copies])
  })

  it('name eight attributes of a file, and count the others', async () => {
    const names = Array.from({ length: 10 }, (_, i) => [`user.${i}`, null] as const)
    const [first] = await warned({ f: Object.fromEntries(names) })
    expect(first).toBe(
      `TOP/f: loses ${names
        .slice(0, 8)
        .map(([name]) => name)
        .join(', ')} and 2 more`,
    )
  })

  it('count the labels of the host once: every file has one', async () => {
    const label = { 'security.selinux': null }
    expect(await warned({ a: label, b: label, c: { ...label, 'user.x': null } })).toEqual([
      'left to the host, which sets it: security.selinux of 3 names',
      'TOP/c: loses user.x',
      copies,
    ])
  })

  it('count no more than a few kinds of labels by name', async () => {
    const many = Array.from({ length: 100 }, (_, i) => [`security.${i}`, null] as const)
    const warnings = await warned({ a: Object.fromEntries(many) })
    expect(warnings).toHaveLength(21)
    expect(warnings.at(-1)).toBe('left to the host, which sets it: other attributes of 80 names')
  })

  it.each([
    ['user.virtfs.mode', /--from 9p reads them/],
    ['user.rsync.%stat', /--fake-super/],
    ['trusted.overlay.opaque', /overlayfs/],
    ['user.containers.override_stat', /rootless containers/],
  ])('say what %s means to another program', async (name, meaning) => {
    const [first, ...rest] = await warned({ a: { [name]: null }, b: { [name]: null } })
    expect(first).toMatch(/^TOP\/a: has .*: umlcow does not read /)
    expect(first).toMatch(meaning)
    expect(rest).toHaveLength(3)
  })

  it('are one note where the host has no getfattr', async () => {
    expect(await warned({}, 'missing')).toEqual([
      'not looked for: extended attributes, such as capabilities and ACLs, which would be lost; install the program ' +
        'getfattr (Debian: package attr)',
    ])
  })

  it('say where the search was not complete', async () => {
    expect(await warned({}, { incomplete: 'why' })).toEqual([
      'not looked at everywhere: extended attributes, such as capabilities and ACLs, which would be lost: why',
    ])
  })

  it('are not asked for by a survey of someone else, and a failed survey ends the search', async () => {
    let signal: AbortSignal | undefined
    const reader = {
      ...localTreeReader,
      findAttributes: (_directory: unknown, _onFile: unknown, given?: AbortSignal) => {
        signal = given
        return new Promise<never>((_, reject) => given?.addEventListener('abort', () => reject(given.reason)))
      },
    }
    const source = openDirectorySource(plainTree('f'), { reader })
    expect(await source.survey()).toEqual({ entries: 2, size: 1 })
    const failure = new UmlcowError('ENTRY_UNFIT', 'made to fail')
    const check = () => {
      throw failure
    }
    await expect(source.survey({ attributes: true, check })).rejects.toMatchObject({ code: 'ENTRY_UNFIT' })
    expect(signal?.aborted).toBe(true)
  })
})
