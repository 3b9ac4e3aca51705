import { describe, expect, it } from 'vitest'
import { readTar, writeTar } from '../../../src/formats/tar/index.js'
import { serializePaxRecord } from '../../../src/formats/tar/pax-records.js'
import { asyncOf, bytesOf, collect, entry, itemsOf, listOf } from '../../support/manifest-entries.js'

/** What the reader says of files `f0`, `f1`, ... with these records. */
async function warned(...files: readonly (readonly [keyword: string, value: string][])[]): Promise<string[]> {
  const blocks: Buffer[] = []
  for (const [i, records] of files.entries()) {
    const body = Buffer.concat(records.map(([keyword, value]) => serializePaxRecord(keyword, bytesOf(value))))
    const header = (await collect(writeTar(itemsOf([entry('x', { size: body.length })])))).subarray(0, -1024)
    blocks.push(asExtension(header, body))
    blocks.push((await collect(writeTar(itemsOf([entry(`f${i}`)])))).subarray(0, 512))
  }
  const warnings: string[] = []
  const archive = Buffer.concat([...blocks, Buffer.alloc(1024)])
  await listOf(readTar(asyncOf([archive]), { onWarning: (message) => warnings.push(message) }))
  return warnings
}

/** Turn a file into the pax header of the next one. */
function asExtension(member: Buffer, body: Buffer): Buffer {
  const [type, checksum] = [156, 148]
  const sum =
    Number.parseInt(member.toString('latin1', checksum, checksum + 6), 8) + 'x'.charCodeAt(0) - '0'.charCodeAt(0)
  member.write('x', type)
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
    // An equals sign ends a keyword.
    expect(await warned(twice.map(([keyword, value]) => [keyword.replace('%3D', ''), value]))).toEqual([])
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
