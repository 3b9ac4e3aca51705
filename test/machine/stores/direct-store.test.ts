import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { directReader } from '../../../src/machine/stores/direct-store.js'
import { openFileStore } from '../../../src/machine/stores/file-store.js'
import { readPaddedNow } from '../../../src/stores/block-store.js'
import { createDice } from '../../support/generate.js'
import { temporaryDirectory } from '../../support/paths.js'

test.each(['direct', 'through the page cache'])('reads any bytes at any offset, %s', async (way) => {
  const dice = createDice(7)
  const bytes = Buffer.alloc(1_000_003)
  dice.fill(bytes)
  const file = path.join(temporaryDirectory(), 'file')
  writeFileSync(file, bytes)
  const store = directReader(await openFileStore(file, 'read', { direct: way === 'direct' }))
  try {
    for (let round = 0; round < 200; round++) {
      const offset = dice.below(bytes.length + 5000)
      const target = Buffer.alloc(dice.pick([1, 511, 512, 4096, 5000, 262_144, 300_000]), 0xaa)
      readPaddedNow(store, offset, target)
      const expected = Buffer.alloc(target.length)
      bytes.subarray(offset).copy(expected)
      expect(target.equals(expected)).toBe(true)
    }
  } finally {
    await store.close()
  }
})
