import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createQcow2 } from '../../../../src/verbs/create-qcow2.js'
import { mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { rebaseUnsafe } from '../../../../src/verbs/rebase.js'
import { layOut, makeTemplate } from '../../../support/in-place-scene.js'
import { temporaryDirectory } from '../../../support/paths.js'

async function scene() {
  const directory = temporaryDirectory()
  const template = makeTemplate(5, { virtualSize: 65_536, siblingCount: 0 })
  layOut(template, directory)
  const at = (name: string) => path.join(directory, name)
  await rebaseUnsafe(at('cow'), at('root_fs'))
  return { at, merged: Buffer.from(template.merged), before: readFileSync(at('root_fs')) }
}

test.each(['relative', 'absolute'] as const)('a qcow2 overlay with a path that is %s stops a merge', async (kind) => {
  const { at, merged, before } = await scene()
  await createQcow2(at('vm.qcow2'), { backing: at('root_fs'), backingFormat: 'raw', pathStyle: { kind } })
  for (const keepSiblings of [false, true]) {
    await expect(mergeInPlace(at('cow'), { keepSiblings })).rejects.toMatchObject({
      code: 'SIBLINGS',
      message: expect.stringContaining(`qcow2 overlay ${at('vm.qcow2')} too`),
    })
  }
  expect(readFileSync(at('root_fs')).equals(before)).toBe(true)
  const { warnings } = await mergeInPlace(at('cow'), { force: ['siblings'] })
  expect(warnings.join('\n')).toContain(`${at('vm.qcow2')}: shows other data now`)
  expect(readFileSync(at('root_fs')).equals(merged)).toBe(true)
})

test('a qcow2 image that stands alone or has another backing file stops none', async () => {
  const { at, merged } = await scene()
  writeFileSync(at('other'), Buffer.alloc(4096))
  await createQcow2(at('alone.qcow2'), { size: 65_536 })
  await createQcow2(at('on-other.qcow2'), { backing: at('other'), backingFormat: 'raw' })
  await mergeInPlace(at('cow'))
  expect(readFileSync(at('root_fs')).equals(merged)).toBe(true)
})
