import { expect, test } from 'vitest'
import { mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { crashStates, prefixesBeforeSyncs } from '../../../support/model-crash.js'
import { readThrough } from './kernel-rule.js'
import { makeScene } from './scene.js'

test.each(['reset', 'delete'] as const)('nothing to merge, but in the page cache only: %s', async (afterwards) => {
  const { disk, paths, inodes, backing, content, oldMtime } = await makeScene({ seed: 25, sectors: 6 })
  const overlay = paths.get('O')!
  // Somebody has written all of it to the backing file already, and has not synced it.
  const store = await disk.files.open(backing, 'readWrite')
  await store.write(0, content.get('O')!)
  await disk.files.setMtime(store, oldMtime)
  await store.close()
  const from = disk.log.length
  const { changed } = await mergeInPlace(overlay, { files: disk.files, afterwards })
  expect(changed).toBe(false)
  let looked = 0
  for (const state of crashStates(disk, { prefixes: prefixesBeforeSyncs(disk.log, from), limit: 64, samples: 64 })) {
    const after = state.boot()
    const base = after.readFile(backing)
    const isGone = !after.exists(overlay)
    const synced = disk.log.slice(from, state.prefix).flatMap((one) => (one.kind === 'syncFile' ? [one.inode] : []))
    // As long as it is not synced, what the guest wrote last may be missing.
    if (!isGone && !synced.includes(inodes.get('O')!)) continue
    looked++
    const seen = isGone ? base : readThrough(after.readFile(overlay), base)
    expect(seen.equals(content.get('O')!), state.describe()).toBe(true)
  }
  expect(looked).toBeGreaterThan(0)
})
