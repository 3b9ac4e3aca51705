import './quick.js'
import { describe, expect, test } from 'vitest'
import type { HostLock } from '../../../../src/machine/processes/process-lock.js'
import { mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { rebaseUnsafe } from '../../../../src/verbs/rebase.js'
import { resetOverlay } from '../../../../src/verbs/reset.js'
import { openedByKernel, overlayBytes, readThrough } from './kernel-rule.js'
import { countedFiles } from './mishaps.js'
import { makeScene, type Scene } from './scene.js'

const shape = { seed: 3, siblings: true, virtualSize: 16 * 1024, sectors: 6 } as const

function names({ disk }: Scene): string[] {
  return [...disk.snapshot().keys()]
}

async function lockOf({ disk, inodes }: Scene, name: 'S1'): Promise<HostLock> {
  const { device } = disk.facts(`/d/${name}`)
  const lock = await disk.files.lock(`umlcow file ${device}:${inodes.get(name)}`)
  if (lock === null) throw new Error('it is locked already')
  return lock
}

describe('siblings that a merge keeps', () => {
  test('take a bounded number of locks and files at a time, however many they are', async () => {
    const scene = await makeScene(shape)
    const { disk, backing, virtualSize, oldMtime, old } = scene
    const bytes = overlayBytes({ version: 3, virtualSize, mtime: oldMtime, backingPath: backing })
    const count = 40
    for (let i = 0; i < count; i++) disk.putFile(`/d/K${i}`, bytes)
    const counted = countedFiles(disk.files)
    const result = await mergeInPlace('/d/O', { files: counted.files, keepSiblings: true })
    expect(result.siblings).toHaveLength(count + 2)
    // Eight siblings with a lock each; beside these the overlay, the backing file, their locks, and a journal.
    expect(counted.most()).toBeLessThanOrEqual(8 * 2 + 5)
    expect(counted.open()).toBe(0)
    const opened = openedByKernel(disk, '/d/K7', backing)
    expect(opened !== null && readThrough(opened, disk.readFile(backing)).equals(old)).toBe(true)
  })

  test('and one of which is being written to before the journal is made: the merge is taken back', async () => {
    const scene = await makeScene(shape)
    const { disk, backing, old, oldMtime } = scene
    let lock: HostLock | null = null
    disk.onEffect(async ({ call }) => {
      if (call === 'link /d/O.umlcow-journal') lock = await lockOf(scene, 'S1')
    })
    const merge = mergeInPlace('/d/O', { files: disk.files, keepSiblings: true })
    await expect(merge).rejects.toMatchObject({ code: 'IN_USE', message: '/d/S1: another umlcow is working on it' })
    expect(lock).not.toBeNull()
    expect(disk.readFile(backing).equals(old)).toBe(true)
    expect(disk.mtimeSeconds(backing)).toBe(oldMtime)
    expect(names(scene).filter((name) => name.includes('umlcow'))).toEqual([])
  })

  test('and a file that takes the name of the undo overlay: it stays when the merge is taken back', async () => {
    const scene = await makeScene(shape)
    const { disk } = scene
    const stranger = Buffer.from('not the undo overlay')
    let undo: Buffer | null = null
    disk.onEffect(async ({ call }) => {
      if (call !== 'setMtime /d/root_fs' || undo !== null) return
      undo = disk.readFile('/d/undo')
      await disk.files.unlink('/d/undo')
      disk.putFile('/d/undo', stranger)
    })
    const merge = mergeInPlace('/d/O', { files: disk.files, keepSiblings: true, backup: '/d/undo' })
    await expect(merge).rejects.toMatchObject({ code: 'NOT_COW' })
    expect(undo).not.toBeNull()
    expect(disk.readFile('/d/undo').equals(stranger)).toBe(true)
  })

  test('and one that another umlcow has locked only to look at it: it is waited for', async () => {
    const scene = await makeScene(shape)
    const { disk } = scene
    const lock = await lockOf(scene, 'S1')
    const { clock } = disk.files
    const sleep: typeof clock.sleep = async (milliseconds, signal) => {
      await lock.release()
      await clock.sleep(milliseconds, signal)
    }
    const files = { ...disk.files, clock: { now: () => clock.now(), sleep } }
    const result = await mergeInPlace('/d/O', { files, keepSiblings: true })
    expect(result.siblings).toHaveLength(2)
  })
})

describe('an overlay that another has as its backing file', () => {
  async function chainScene() {
    const scene = await makeScene({ seed: 3, virtualSize: 16 * 1024, sectors: 6 })
    const { disk, virtualSize } = scene
    const mtime = disk.mtimeSeconds('/d/O')
    disk.putFile('/d/C', overlayBytes({ version: 3, virtualSize, mtime, backingPath: '/d/O' }))
    return scene
  }
  const needed = { code: 'OVERLAY_NEEDED', message: expect.stringContaining('/d/O: is the backing file of /d/C') }

  test('is not removed by a merge', async () => {
    const { disk, backing, old } = await chainScene()
    const merge = mergeInPlace('/d/O', { files: disk.files, afterwards: 'delete' })
    await expect(merge).rejects.toMatchObject(needed)
    expect(disk.readFile(backing).equals(old)).toBe(true)
    await mergeInPlace('/d/O', { files: disk.files, afterwards: 'delete', force: ['siblings'] })
    expect(disk.exists('/d/O')).toBe(false)
  })

  test('is not removed, either, for one that may be in a jail', async () => {
    const { disk, virtualSize } = await chainScene()
    const mtime = disk.mtimeSeconds('/d/O')
    await disk.files.unlink('/d/C')
    disk.putFile('/d/J', overlayBytes({ version: 3, virtualSize, mtime, backingPath: '/nowhere' }))
    const merge = mergeInPlace('/d/O', { files: disk.files, afterwards: 'delete' })
    await expect(merge).rejects.toMatchObject({ code: 'SIBLING_UNKNOWN' })
  })

  test.each(['keep', 'reset'] as const)(
    'may be merged and stay (%s): what stands on it reads the same',
    async (afterwards) => {
      const { disk, backing, content } = await chainScene()
      const { warnings } = await mergeInPlace('/d/O', { files: disk.files, afterwards })
      expect(warnings.join()).toContain(
        '/d/C: shows what it showed, but the modification time of its backing file /d/O',
      )
      expect(readThrough(disk.readFile('/d/O'), disk.readFile(backing)).equals(content.get('O')!)).toBe(true)
    },
  )

  test('is not emptied by reset', async () => {
    const { disk } = await chainScene()
    const before = disk.readFile('/d/O')
    await expect(resetOverlay('/d/O', { files: disk.files })).rejects.toMatchObject(needed)
    expect(disk.readFile('/d/O').equals(before)).toBe(true)
    await resetOverlay('/d/O', { files: disk.files, force: ['siblings'] })
    expect(disk.readFile('/d/O').equals(before)).toBe(false)
  })

  test('is named by rebase', async () => {
    const { disk, backing } = await chainScene()
    disk.putFile('/d/copy', disk.readFile(backing), { mtime: disk.mtimeSeconds(backing) })
    const { warnings } = await rebaseUnsafe('/d/O', '/d/copy', { files: disk.files })
    expect(warnings.join()).toContain('/d/C: its backing file /d/O now has another backing file itself')
  })
})
