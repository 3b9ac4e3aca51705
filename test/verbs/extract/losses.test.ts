import { expect, test } from 'vitest'
import { Losses, plainMode } from '../../../src/verbs/extract/losses.js'
import { bytesOf, entry } from '../../support/manifest-entries.js'

const root = { uid: 0, gid: 0 }
const user = { uid: 1000, gid: 1000 }

/** An ACL of entries of tag and permissions. */
function accessList(...entries: readonly (readonly [tag: number, permissions: number])[]): Buffer {
  const list = Buffer.alloc(4 + entries.length * 8, 0xff)
  list.writeUInt32LE(2, 0)
  for (const [i, [tag, permissions]] of entries.entries()) {
    list.writeUInt16LE(tag, 4 + i * 8)
    list.writeUInt16LE(permissions, 6 + i * 8)
  }
  return list
}

function attributes(...names: string[]) {
  return names.map((name) => ({ name: bytesOf(name), value: bytesOf('x') }))
}

test('the host sets its labels itself, and all other attributes that are not set are losses', () => {
  const losses = new Losses(root)
  const labels = ['selinux', 'SMACK64', 'SMACK64EXEC', 'apparmor', 'ima', 'evm'].map((name) => `security.${name}`)
  losses.look(entry('labels', { xattrs: attributes(...labels, 'security.capability') }))
  losses.look(entry('other', { xattrs: attributes('security.tpe', 'security.ima2', 'security.evm') }))
  expect(losses.result().attributes).toEqual({ count: 1, files: ['other: security.tpe, security.ima2'] })
  expect(losses.warnings()).toEqual(['1 file lacks extended attributes: other: security.tpe, security.ima2'])
})

test('without the ACL, the group gets no more than the ACL gave it', () => {
  const list = accessList([1, 6], [2, 6], [4, 4], [16, 6], [32, 4])
  const file = entry('f', { mode: 0o664, ...user, xattrs: [{ name: bytesOf('system.posix_acl_access'), value: list }] })
  expect(plainMode(file)).toBe(0o644)
  expect(plainMode({ ...file, mode: 0o4624 })).toBe(0o4604)
  expect(plainMode(entry('f', { mode: 0o664 }))).toBe(0o664)
  const losses = new Losses(user)
  losses.look(file)
  expect(losses.result().attributes.files).toEqual(['f: system.posix_acl_access; mode 0644 in place of 0664'])
  const asRoot = new Losses(root)
  asRoot.look(file)
  expect(asRoot.result().attributes.count).toBe(0)
})

test('warnings count one file or more', () => {
  const losses = new Losses(user)
  losses.look(entry('s', { mode: 0o4755, ...user }))
  losses.look(entry('a', root))
  losses.look(entry('b', root))
  for (const path of ['x', 'y']) losses.look(entry(path, { type: 'character', device: { major: 1, minor: 3 } }))
  expect(losses.warnings()).toEqual([
    '2 devices were left out, because only root can make devices: x; y',
    '2 files belong to you, because only root can give files away: a; b',
    'the setuid, setgid and sticky bits of 1 file were not set: s',
  ])
})
