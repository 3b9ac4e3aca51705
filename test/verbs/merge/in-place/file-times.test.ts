import { describe, expect, test } from 'vitest'
import type { HostFiles } from '../../../../src/machine/host-files.js'
import { mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { abandonMerge } from '../../../../src/verbs/merge/in-place/unfinished/abandon.js'
import { resumeMerge } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { hookedFiles, injected } from '../../../support/hooked-files.js'
import type { KeptTime } from '../../../support/model-content.js'
import { kernelOpens } from './kernel-rule.js'
import { endingSoon, evenSeconds, makeScene, type Scene, type SceneOptions } from './scene.js'

const size: SceneOptions = { seed: 51, virtualSize: 16 * 1024, sectors: 4 }

function merge({ paths }: Scene, files: HostFiles) {
  return mergeInPlace(paths.get('O')!, { files })
}

/** The names on the disk that only a merge makes. */
function leftovers({ disk }: Scene): string[] {
  return [...disk.snapshot().keys()].filter((name) => name.includes('umlcow'))
}

function expectMerged(scene: Scene): void {
  const { disk, backing, paths, content } = scene
  expect(disk.readFile(backing).equals(content.get('O')!)).toBe(true)
  expect(kernelOpens(disk, paths.get('O')!, backing)).toBe(true)
  expect(disk.mtimeSeconds(backing)).toBeLessThanOrEqual(disk.files.clock.now() / 1000)
  expect(leftovers(scene)).toEqual([])
}

function expectUntouched(scene: Scene): void {
  const { disk, backing, paths, old, oldMtime } = scene
  expect(disk.readFile(backing).equals(old)).toBe(true)
  expect(disk.mtimeSeconds(backing)).toBe(oldMtime)
  for (const name of ['O', 'U'] as const) expect(kernelOpens(disk, paths.get(name)!, backing), name).toBe(true)
  expect(leftovers(scene)).toEqual([])
}

/** A file system that has no time after that one. */
function endedBefore(seconds: number): KeptTime {
  const end = BigInt(seconds) * 1_000_000_000n
  return (time) => (time < end ? time : end)
}

describe('a file system that cannot hold every modification time', () => {
  test.each([
    ['even seconds', evenSeconds, 1000],
    ['no time beyond the header of a stale sibling', endingSoon, 4_000_000],
  ])('%s: the merge takes two that it keeps', async (_, keptTime, staleBy) => {
    const scene = await makeScene({ ...size, keptTime, staleBy })
    await merge(scene, scene.disk.files)
    expectMerged(scene)
  })

  test('times that ended before: refused, and nothing is changed', async () => {
    const { oldMtime } = await makeScene(size)
    const scene = await makeScene({ ...size, keptTime: endedBefore(oldMtime) })
    const begin = scene.disk.log.length
    await expect(merge(scene, scene.disk.files)).rejects.toMatchObject({ code: 'MTIME_UNFIT' })
    expectUntouched(scene)
    expect(scene.disk.log.slice(begin).some(({ call }) => call.endsWith(scene.backing))).toBe(false)
  })

  test('the backing file alone is on such a file system: its old time comes back', async () => {
    const scene = await makeScene(size)
    const { disk, backing, oldMtime } = scene
    const files: HostFiles = {
      ...disk.files,
      setMtime: (store, seconds, nanoseconds) =>
        disk.files.setMtime(store, store.name === backing ? Math.min(seconds, oldMtime + 9) : seconds, nanoseconds),
    }
    await expect(merge(scene, files)).rejects.toMatchObject({ code: 'MTIME_UNFIT' })
    expectUntouched(scene)
  })

  test('the backing file was mounted by itself: even seconds are taken, and kept', async () => {
    const scene = await makeScene(size)
    const { disk, backing } = scene
    const files: HostFiles = {
      ...disk.files,
      statOpen: (store) => {
        const facts = disk.files.statOpen(store)
        return store.name === '/d' ? { ...facts, device: 2n } : facts
      },
      setMtime: (store, seconds, nanoseconds) =>
        disk.files.setMtime(store, store.name === backing ? seconds - (seconds % 2) : seconds, nanoseconds),
    }
    await merge(scene, files)
    expectMerged(scene)
  })
})

describe('a stale header near 2^32', () => {
  test('does not drive the backing file there, in many merges', async () => {
    const stale = 2 ** 32 - 100
    const scene = await makeScene({ ...size, age: 1000, staleBy: stale - 1_699_999_000 })
    for (let i = 0; i < 3; i++) {
      await merge(scene, scene.disk.files)
      expectMerged(scene)
      const store = await scene.disk.files.open(scene.paths.get('O')!, 'readWrite')
      await store.write(store.size - 1, Uint8Array.of(i))
      await store.close()
    }
  })
})

describe('the old modification time of the backing file', () => {
  /** A scene whose backing file was written to at a fraction of a second, and the host up to a chosen call. */
  async function stoppedAt(call: RegExp): Promise<{ scene: Scene; mtimeNs: bigint; error: unknown }> {
    const scene = await makeScene(size)
    const { disk, backing, oldMtime } = scene
    const store = await disk.files.open(backing, 'readWrite')
    await disk.files.setMtime(store, oldMtime, 123_456_000)
    await store.close()
    let isDead = false
    const files = hookedFiles((one) => {
      isDead ||= call.test(one)
      if (isDead && !one.startsWith('close ')) throw injected('EIO')
    }, disk.files)
    const error = await merge(scene, files).catch((reason: unknown) => reason)
    return { scene, mtimeNs: BigInt(oldMtime) * 1_000_000_000n + 123_456_000n, error }
  }

  test('comes back to the microsecond when the merge is abandoned', async () => {
    const { scene, mtimeNs } = await stoppedAt(/^sync .*root_fs$/)
    const { disk, backing, paths } = scene
    expect(disk.facts(backing).mtimeNs).not.toBe(mtimeNs)
    await abandonMerge(paths.get('O')!, { files: disk.files })
    expect(disk.facts(backing).mtimeNs).toBe(mtimeNs)
    expectUntouched(scene)
  })

  test('was kept by a merge that a resume finishes', async () => {
    const { scene } = await stoppedAt(/^sync .*root_fs$/)
    await resumeMerge(scene.paths.get('O')!, { files: scene.disk.files })
    expectMerged(scene)
  })
})
