import { expect, test } from 'vitest'
import { writeTar } from '../../../src/formats/tar/index.js'
import { collect, entry, itemsOf } from '../../support/manifest-entries.js'

/** An ACL as Linux gives it to programs: [tag, permissions, id]. */
function acl(...entries: [number, number, number][]): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length)
  bytes.writeUInt32LE(2)
  for (const [i, [tag, permissions, id]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * i)
    bytes.writeUInt16LE(permissions, 6 + 8 * i)
    bytes.writeUInt32LE(id, 8 + 8 * i)
  }
  return bytes
}

const anyId = 0xffffffff

async function archiveWith(name: string, value: Buffer): Promise<string> {
  const one = entry('file', { xattrs: [{ name: Buffer.from(name), value }] })
  return (await collect(writeTar(itemsOf([one])))).toString('latin1')
}

test('a tar archive has ACLs as text with numbers, as tar programs read them', async () => {
  const value = acl([1, 6, anyId], [2, 4, 3_000_000_000], [4, 5, anyId], [8, 0, 50], [16, 7, anyId], [32, 1, anyId])
  const text = 'user::rw-,user:3000000000:r--,group::r-x,group:50:---,mask::rwx,other::--x'
  expect(await archiveWith('system.posix_acl_access', value)).toContain(` SCHILY.acl.access=${text}\n`)
  expect(await archiveWith('system.posix_acl_default', value)).toContain(` SCHILY.acl.default=${text}\n`)
})

test.each([
  ['no version', Buffer.alloc(12)],
  ['no entries', acl()],
  ['a cut entry', acl([1, 6, anyId]).subarray(0, 9)],
  ['an unknown tag', acl([3, 6, anyId])],
])('a tar archive has an ACL with %s as the attribute that it is', async (_, value) => {
  expect(await archiveWith('system.posix_acl_access', value)).toContain('SCHILY.xattr.system.posix_acl_access=')
})
