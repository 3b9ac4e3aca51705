import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { restoreHumfs } from '../../src/humfs/restore/index.js'
import { findAttributes } from '../../src/machine/programs/getfattr.js'
import { openVirtfsSource } from '../../src/trees/kinds/9p/source.js'
import { openDirectorySource } from '../../src/trees/kinds/directory/source.js'
import { openHumfsSource } from '../../src/trees/kinds/humfs/source.js'
import { exportTree } from '../../src/trees/transfer/export-tree.js'
import { importHumfs } from '../../src/trees/transfer/import-humfs.js'
import { netRaw, plainTree, takesAttributes } from '../support/attributes.js'
import { umlcow } from '../support/command.js'
import { isRoot, nastyNames, notUtf8, owner, scratchDirectory } from '../support/humfs-tree.js'
import { havePeers } from '../support/peers.js'
import { readAll } from '../trees/scenes.js'

const getfattr = '/usr/bin/getfattr'
const setfattr = '/usr/bin/setfattr'
const setfacl = '/usr/bin/setfacl'
const setcap = '/usr/sbin/setcap'
const gnuTar = '/usr/bin/tar'
const bsdtar = '/usr/bin/bsdtar'

function run(program: string, ...args: string[]): string {
  const done = spawnSync(program, args, { encoding: 'latin1', env: { ...process.env, LC_ALL: 'C' } })
  expect(done.status, `${program} ${args.join(' ')}: ${done.stderr}`).toBe(0)
  return done.stdout
}

/** `data/` with a capability, ACLs and an attribute of a user. */
function scene(): { top: string; data: string } {
  const top = plainTree('data/ping', 'data/d/f')
  const data = path.join(top, 'data')
  run(setcap, 'cap_net_raw+ep', path.join(data, 'ping'))
  run(setfacl, '-m', 'u:1234:rw,d:u:1234:rw', path.join(data, 'd'))
  run(setfattr, '-n', 'user.note', '-v', 'x', path.join(data, 'd'))
  return { top, data }
}

const capabilitiesOf = (file: string) =>
  run(getfattr, '-m', '-', '--absolute-names', file).includes('security.capability')

const options = { ...owner, size: 2 ** 30, noSync: true }
const havePrograms = havePeers(getfattr, setfattr, setfacl, setcap, gnuTar, bsdtar)

describe.runIf(isRoot && havePrograms && takesAttributes())('capabilities and ACLs of real files', () => {
  it('vanished in humfsify and its reverse without a word; each is named before', async () => {
    const { top, data } = scene()
    const ping = path.join(data, 'ping')
    const dry = umlcow(['humfsify', '-n', '--json', '1000', '1001', '1G'], { cwd: top })
    const { warnings } = JSON.parse(dry.stdout)
    expect(capabilitiesOf(ping)).toBe(true)
    const again = `("setfattr -n security.capability -v ${netRaw} FILE" sets it again)`
    expect(warnings.toSorted().slice(0, 2)).toEqual([
      'data/d: a guest does not see system.posix_acl_access, system.posix_acl_default, user.note; ' +
        'its group permissions are the mask of its ACL',
      `data/ping: the change of owner removes security.capability ${again}`,
    ])
    expect((await humfsify(top, options)).warnings).toEqual(warnings)
    expect(capabilitiesOf(ping)).toBe(false)
    run(setfattr, '-n', 'security.capability', '-v', netRaw, ping)
    const back = await restoreHumfs(top, { noSync: true })
    expect(back.warnings[0]).toBe(`data/ping: the change of owner removes security.capability ${again}`)
    expect(capabilitiesOf(ping)).toBe(false)
  })

  it('are named by --quiet to no one', () => {
    const { top } = scene()
    expect(umlcow(['humfsify', '-n', '--quiet', '1000', '1001', '1G'], { cwd: top })).toMatchObject({ stderr: '' })
  })

  it('vanished in exports and imports without a word; each is named', async () => {
    const { top, data } = scene()
    const lines = (place: string) => [
      `${place}/d: loses system.posix_acl_access, system.posix_acl_default, user.note; ` +
        'its group permissions are the mask of its ACL',
      `${place}/ping: loses security.capability`,
    ]
    const losses = (warnings: readonly string[]) => warnings.filter((one) => one.includes(': loses ')).toSorted()
    const fromDirectory = await exportTree(openDirectorySource(data), path.join(top, 'a.tar'), { format: 'tar' })
    expect(losses(fromDirectory.warnings)).toEqual(lines(data))
    const imported = await importHumfs(data, null, { from: 'directory', dryRun: true })
    expect(losses(imported.warnings)).toEqual(lines(data))
    await humfsify(top, { ...options, user: 0, group: 0 })
    const fromHumfs = await exportTree(openHumfsSource(top), path.join(top, 'b.tar'), { format: 'tar' })
    expect(losses(fromHumfs.warnings)).toEqual(lines('data'))
  })

  it('in archives of GNU tar and bsdtar were a count; each is named', async () => {
    const { top, data } = scene()
    for (const program of [gnuTar, bsdtar]) {
      const archive = path.join(top, 'x.tar')
      run(program, '--xattrs', '--acls', '-cf', archive, '-C', data, '.')
      const { warnings } = await importHumfs(archive, null, { from: 'tar', dryRun: true })
      expect(warnings).toContain('ping: loses security.capability')
      // GNU tar writes the ACL as an attribute, too: two lines said the same.
      expect(warnings.filter((one) => one.startsWith('d: ') && /acl[._]access/.test(one))).toEqual([
        program === gnuTar
          ? expect.stringMatching(/^d: loses .*system\.posix_acl_access/)
          : 'd: its ACL (SCHILY.acl.access, SCHILY.acl.default) is left out',
      ])
      expect(warnings.find((one) => one.startsWith('d: loses '))).toContain('user.note')
    }
  })

  it('of names with any bytes are found under these names, links and the top included', async () => {
    const top = scratchDirectory()
    const names = [...nastyNames, notUtf8].map((name) => name.toString('latin1'))
    for (const name of names) {
      const file = Buffer.from(path.join(top, name), 'latin1')
      fs.writeFileSync(file, '')
    }
    // Links take only attributes that need more rights than root has in a container.
    const isTrusted = spawnSync(setfattr, ['-n', 'trusted.a=b', '-v', 'x', top]).status === 0
    const attribute = isTrusted ? 'trusted.a=b' : 'user.a=b'
    if (isTrusted) fs.symlinkSync('nowhere', path.join(top, 'link'))
    // find passes names of any bytes on.
    run('/usr/bin/find', top, '-exec', setfattr, '-h', '-n', attribute, '-v', 'x', '{}', '+')
    const found: string[] = []
    const onFile = (file: Buffer, own: readonly { name: string; value: string | null }[]) => {
      expect(own).toEqual([{ name: attribute, value: '0x78' }])
      found.push(file.toString('latin1'))
    }
    expect(await findAttributes(top, onFile, undefined)).toBe('complete')
    expect(found.toSorted()).toEqual(['', ...(isTrusted ? ['link'] : []), ...names].toSorted())
  })

  it('of the 9p server of QEMU are read', async () => {
    const top = plainTree('f')
    run(setfattr, '-n', 'user.virtfs.uid', '-v', '0x005ed0b2', path.join(top, 'f'))
    run(setfattr, '-n', 'user.virtfs.mode', '-v', '0xed890000', path.join(top, 'f'))
    const source = openVirtfsSource(top)
    await source.survey()
    expect((await readAll(source.items()))['f']!.text).toMatch(/^file 4755 3000000000 0 /)
  })
})
