import { describe, expect, it } from 'vitest'
import { readTar, writeTar } from '../../../src/formats/tar/index.js'
import { serializePaxRecord } from '../../../src/formats/tar/pax-records.js'
import { asyncOf, bytesOf, collect, entry, itemsOf, listOf } from '../../support/manifest-entries.js'

type Records = readonly (readonly [keyword: string, value: string])[]

/** What the reader says of files `f0`, `f1`, ... with these records. */
function warned(...files: readonly Records[]): Promise<string[]> {
  return warnedOf('x', files)
}

/** @param type  of the headers with the records: for the next file, or global */
async function warnedOf(type: 'x' | 'g', files: readonly Records[]): Promise<string[]> {
  const blocks: Buffer[] = []
  for (const [i, records] of files.entries()) {
    const body = Buffer.concat(records.map(([keyword, value]) => serializePaxRecord(keyword, bytesOf(value))))
    const header = (await collect(writeTar(itemsOf([entry('x', { size: body.length })])))).subarray(0, -1024)
    blocks.push(asExtension(header, body, type))
    blocks.push((await collect(writeTar(itemsOf([entry(`f${i}`)])))).subarray(0, 512))
  }
  const warnings: string[] = []
  const archive = Buffer.concat([...blocks, Buffer.alloc(1024)])
  await listOf(readTar(asyncOf([archive]), { onWarning: (message) => warnings.push(message) }))
  return warnings
}

/** Turn a file into a pax header. */
function asExtension(member: Buffer, body: Buffer, letter: string): Buffer {
  const [type, checksum] = [156, 148]
  const sum =
    Number.parseInt(member.toString('latin1', checksum, checksum + 6), 8) + letter.charCodeAt(0) - '0'.charCodeAt(0)
  member.write(letter, type)
  member.write(sum.toString(8).padStart(6, '0'), checksum)
  body.copy(member, 512)
  return member
}

describe('records that tar archives have and umlcow does not read', () => {
  it('are named with their entry: they were left out without a word', async () => {
    expect(
      await warned(
        [['SCHILY.acl.access', 'user::rw-']],
        [
          ['SCHILY.acl.default', 'user::rw-'],
          ['SCHILY.fflags', 'immutable'],
        ],
        [['LIBARCHIVE.xattr.user.a', 'eA==']],
      ),
    ).toEqual([
      'f0: its ACL (SCHILY.acl.access) is left out',
      'f1: its ACL (SCHILY.acl.default) is left out',
      'f1: its flags (SCHILY.fflags) are left out',
      'f2: its extended attribute is left out: LIBARCHIVE.xattr.user.a',
    ])
  })

  it('are not named where the archive has them in another form, too: bsdtar writes attributes twice', async () => {
    const twice: [string, string][] = [
      ['LIBARCHIVE.xattr.user.a%20%3D%zz', 'eA=='],
      ['SCHILY.xattr.user.a %zz', 'x'],
    ]
    const odd = ['LIBARCHIVE.xattr.user.a%3D%25', 'SCHILY.xattr.user.a%3D%25'] as const
    expect(await warned(odd.map((keyword) => [keyword, 'x']))).toEqual([])
    // An equals sign ends a keyword.
    expect(await warned(twice.map(([keyword, value]) => [keyword.replace('%3D', ''), value]))).toEqual([])
  })

  it('are named in one line for two ACLs, and not where the attribute of the same ACL is there', async () => {
    const acl = 'user::rwx,user:1000:rwx,group::r-x,mask::rwx,other::r-x'
    const both: Records = [
      ['SCHILY.acl.access', acl],
      ['SCHILY.acl.default', acl],
    ]
    expect(await warned(both)).toEqual(['f0: its ACL (SCHILY.acl.access, SCHILY.acl.default) is left out'])
    expect(await warned([...both, ['SCHILY.xattr.system.posix_acl_access', 'x']])).toEqual([
      'f0: its ACL (SCHILY.acl.default) is left out',
    ])
  })

  it.each([
    ['user::rw-,group::r--,other::r--', false],
    ['user::rw-\ngroup::r--\nother::r--\n', false],
    ['u::rw-,g::r--,o::r--', false],
    ['user::rw-,group::r--,mask::r--,other::r--', true],
    ['user::rw-,group::r--,user:0:r--', true],
    ['user::rw-,group::r--', true],
    ['', true],
    [`${' '.repeat(1000)}user::rw-,group::r--,other::r--`, true],
  ])('are not named where an ACL is the mode in other words, as tar --acls writes it: %j', async (acl, isLost) => {
    expect(await warned([['SCHILY.acl.access', acl]])).toHaveLength(isLost ? 1 : 0)
    // That of new files in a directory is no mode.
    expect(await warned([['SCHILY.acl.default', acl]])).toHaveLength(1)
  })

  it('are named once where a global header has them: they were left out without a word', async () => {
    const records: Records = [
      ['comment', 'of git archive'],
      ['mtime', '1'],
      ['SCHILY.xattr.user.\x1b', 'x'],
      ['SCHILY.acl.access', 'user::rw-,group::r--,other::r--'],
    ]
    expect(await warnedOf('g', [records, records])).toEqual([
      'tar archive: a global header gives attributes to all entries after it, and they are left out: SCHILY.xattr.user.\\x1b',
    ])
    expect(await warnedOf('g', [records.slice(0, 2)])).toEqual([])
  })

  it('are named once for labels of SELinux: every entry has one', async () => {
    const label: [string, string][] = [['RHT.security.selinux', 'system_u']]
    expect(await warned(label, label)).toEqual([
      'f0: its SELinux label (RHT.security.selinux) is left out, as those of all entries',
    ])
  })

  it('are shown short and escaped', async () => {
    const [message] = await warned([[`SCHILY.acl.\x1b${'x'.repeat(5000)}`, '']])
    expect(message).toMatch(/^f0: its ACL \(SCHILY\.acl\.\\x1bx+\) is left out$/)
    expect(message!.length).toBeLessThan(400)
  })

  it('are none of those that say nothing about the file', async () => {
    const harmless = ['atime', 'ctime', 'comment', 'SCHILY.ino', 'LIBARCHIVE.creationtime', 'LIBARCHIVE.symlinktype']
    expect(await warned(harmless.map((keyword) => [keyword, '1']))).toEqual([])
  })
})
