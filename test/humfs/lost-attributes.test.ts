import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { restoreHumfs } from '../../src/humfs/restore/index.js'
import { type Attributes, netRaw, plainTree, readerWith } from '../support/attributes.js'
import { crashingHost } from '../support/crashing-trees.js'
import { isRoot, owner } from '../support/humfs-tree.js'

const options = { ...owner, size: 2 ** 30, noSync: true }
const again = `("setfattr -n security.capability -v ${netRaw} FILE" sets it again)`
const removed = `data/ping: the change of owner removes security.capability ${again}`
const acl = { 'system.posix_acl_access': null }
const attributes: Attributes = { ping: { 'security.capability': netRaw, 'user.a': '0x00' }, d: acl, '': acl }
const reader = readerWith(attributes)
const mask = 'its group permissions are the mask of its ACL'

function scene(): string {
  return plainTree('data/ping', 'data/d/f')
}

describe.runIf(isRoot)('attributes that humfsify removes or hides', () => {
  it('are named before anything changes, and when everything is done', async () => {
    const top = scene()
    for (const dryRun of [true, false]) {
      const { warnings } = await humfsify(top, { ...options, reader, dryRun })
      expect(warnings).toEqual([
        `${removed}; a guest does not see user.a`,
        `data/d: a guest does not see system.posix_acl_access; ${mask}`,
        `data: a guest does not see system.posix_acl_access; ${mask}`,
        expect.stringContaining('setfattr -h --restore=FILE'),
      ])
    }
  })

  it('are not called removed where the owner stays the same', async () => {
    const top = scene()
    const { warnings } = await humfsify(top, { ...options, user: 0, group: 0, reader, dryRun: true })
    expect(warnings[0]).toBe('data/ping: a guest does not see security.capability, user.a')
  })

  it('of a device are lost with it: an empty file replaces it', async () => {
    const top = scene()
    const device = path.join(top, 'data', 'null')
    const { localTreeWriter } = await import('../../src/trees/host/tree-writer.js')
    await localTreeWriter.makeDevice(device, 'character', 1, 3)
    const { warnings } = await humfsify(top, { ...options, reader: readerWith({ null: acl }), dryRun: true })
    expect(warnings[0]).toBe('data/null: an empty file replaces it, without system.posix_acl_access')
  })

  it('are named by the run that finishes one that was cut short, as far as they are left', async () => {
    const top = scene()
    const { writer } = crashingHost(20)
    await expect(humfsify(top, { ...options, writer })).rejects.toMatchObject({ code: 'EIO' })
    const { resumed, warnings } = await humfsify(top, { ...options, reader })
    expect(resumed).toBe(true)
    expect(warnings).toContainEqual(expect.stringContaining('data/d: a guest does not see system.posix_acl_access'))
  })
})

describe.runIf(isRoot)('attributes that the reverse removes or changes', () => {
  it('are named before anything changes, and when everything is done', async () => {
    const top = scene()
    fs.chmodSync(path.join(top, 'data', 'd'), 0o500)
    await humfsify(top, options)
    for (const dryRun of [true, false]) {
      const { warnings } = await restoreHumfs(top, { noSync: true, reader, dryRun })
      expect(warnings).toEqual([
        removed,
        'data/d: its mode from the metadata sets the mask of its ACL',
        expect.stringContaining('getfattr -R -P -h -d -e hex'),
      ])
    }
  })

  // At 12 calls the metadata lies in the work directory yet, at 20 in its place.
  it.each([14, 16, 18, 20])(
    'are named by the dry run that would undo a humfsify cut short at call %i',
    async (call) => {
      const top = scene()
      fs.chmodSync(path.join(top, 'data', 'd'), 0o500)
      const { writer } = crashingHost(call)
      await expect(humfsify(top, { ...options, writer })).rejects.toMatchObject({ code: 'EIO' })
      const dry = await restoreHumfs(top, { noSync: true, reader, dryRun: true })
      const { warnings, undone } = await restoreHumfs(top, { noSync: true, reader })
      expect(dry.warnings).toEqual(warnings)
      expect([dry.undone, undone]).toEqual([true, true])
      if (call === 20) expect(warnings.length).toBeGreaterThan(0)
    },
  )

  it('are not named where nothing is lost', async () => {
    const top = scene()
    await humfsify(top, options)
    const { warnings } = await restoreHumfs(top, { noSync: true, reader: readerWith({ ping: { 'user.a': null } }) })
    expect(warnings).toEqual([])
  })
})
