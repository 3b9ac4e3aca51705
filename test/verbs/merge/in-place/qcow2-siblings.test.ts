import { linkSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { localHostFiles } from '../../../../src/machine/host-files.js'
import { copySparse } from '../../../../src/verbs/copy/index.js'
import { createQcow2 } from '../../../../src/verbs/create-qcow2.js'
import { mergeBySteps, mergeInPlace } from '../../../../src/verbs/merge/in-place/merge-in-place.js'
import { protocol } from '../../../../src/verbs/merge/in-place/step-order.js'
import { resumeMerge } from '../../../../src/verbs/merge/in-place/unfinished/resume.js'
import { rebaseUnsafe } from '../../../../src/verbs/rebase.js'
import { resetOverlay } from '../../../../src/verbs/reset.js'
import { layOut, makeTemplate } from '../../../support/in-place-scene.js'
import { temporaryDirectory } from '../../../support/paths.js'
import { dyingFiles } from './mishaps.js'

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

test.each([
  'file:root_fs',
  'file:FULL',
  'blkdebug::root_fs',
  'json:{"driver":"raw","file":{"driver":"file","filename":"FULL"}}',
  'json:{"driver":"raw","file.filename":"file:root_fs"}',
])('a qcow2 overlay with the name %s stops a merge, a reset of what is below, and its replacement', async (name) => {
  const { at, before } = await scene()
  writeFileSync(at('long'.padEnd(200, '-')), before)
  await createQcow2(at('vm.qcow2'), { backing: at('long'.padEnd(200, '-')), backingFormat: 'raw' })
  const shorter = name.replace('FULL', at('root_fs'))
  setPath(at('vm.qcow2'), at('long'.padEnd(200, '-')), shorter)
  await expect(mergeInPlace(at('cow'))).rejects.toMatchObject({ code: 'SIBLINGS' })
  await expect(copySparse(at('cow'), at('root_fs'), { overwrite: true })).rejects.toMatchObject({
    code: 'TARGET_PROTECTED',
  })
  setPath(at('vm.qcow2'), shorter, shorter.replace('root_fs', 'cow'))
  await expect(resetOverlay(at('cow'))).rejects.toMatchObject({ code: 'OVERLAY_NEEDED' })
})

test('a qcow2 overlay whose name is no JSON stops a merge, and one on another host does not', async () => {
  const { at, merged } = await scene()
  await createQcow2(at('vm.qcow2'), { backing: at('root_fs'), backingFormat: 'raw' })
  setPath(at('vm.qcow2'), at('root_fs'), 'json:{"filename')
  await expect(mergeInPlace(at('cow'))).rejects.toMatchObject({ code: 'SIBLING_UNKNOWN' })
  setPath(at('vm.qcow2'), 'json:{"filename', 'nbd:host:10809')
  await mergeInPlace(at('cow'))
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

/** Merge, and die before the backing file is written. */
async function killMerge(cow: string): Promise<void> {
  let isDead = false
  const run = async () => {
    isDead = true
  }
  const before = protocol.findIndex(({ name }) => name === 'declareWriting')
  const steps = [...protocol.slice(0, before), { name: 'die', invariant: '', run }, ...protocol.slice(before)]
  await expect(mergeBySteps(cow, { files: dyingFiles(localHostFiles, () => isDead) }, steps)).rejects.toThrow()
}

/** Make a file a qcow2 image that needs a feature nobody knows. */
function breakQcow2(file: string): void {
  const bytes = readFileSync(file)
  bytes[72] = 0x80
  writeFileSync(file, bytes)
}

test('a merge that was cut short is not resumed when that changes what a qcow2 overlay shows', async () => {
  const { at, merged, before } = await scene()
  mkdirSync(at('far'))
  await createQcow2(at('far/vm.qcow2'), { backing: at('root_fs'), backingFormat: 'raw' })
  await killMerge(at('cow'))
  renameSync(at('far/vm.qcow2'), at('vm.qcow2'))
  await expect(resumeMerge(at('cow'))).rejects.toMatchObject({ code: 'SIBLINGS' })
  const whole = readFileSync(at('vm.qcow2'))
  breakQcow2(at('vm.qcow2'))
  await expect(resumeMerge(at('cow'))).rejects.toMatchObject({ code: 'SIBLING_UNKNOWN' })
  writeFileSync(at('vm.qcow2'), whole)
  expect(readFileSync(at('root_fs')).equals(before)).toBe(true)
  const { warnings } = await resumeMerge(at('cow'), { force: ['siblings'] })
  expect(warnings.join('\n')).toContain(`${at('vm.qcow2')}: shows other data now`)
  expect(readFileSync(at('root_fs')).equals(merged)).toBe(true)
})

test('a qcow2 image that cannot be read stops a merge, and the hint is about QEMU', async () => {
  const { at } = await scene()
  await createQcow2(at('vm.qcow2'), { backing: at('root_fs'), backingFormat: 'raw' })
  breakQcow2(at('vm.qcow2'))
  await expect(mergeInPlace(at('cow'))).rejects.toMatchObject({
    code: 'SIBLING_UNKNOWN',
    message: expect.stringContaining(`${at('vm.qcow2')}: cannot tell whether it is another overlay on`),
    hint: expect.stringMatching(/^see with "qemu-img info" .* QEMU does not notice/),
  })
})

test('a qcow2 overlay whose path leads to the backing file only in the jail stops a merge', async () => {
  const { at } = await scene()
  mkdirSync(at('jail/vms'), { recursive: true })
  for (const name of ['inside', 'vms/inside']) linkSync(at('root_fs'), at(`jail/${name}`))
  for (const [made, stored] of [
    ['absolute', '/inside'],
    ['relative', '../vms/inside'],
  ]) {
    await createQcow2(at('made'), { backing: at('root_fs'), backingFormat: 'raw' })
    setPath(at('made'), at('root_fs'), stored!)
    renameSync(at('made'), at(`jail/vms/${made}`))
  }
  const options = { backingRoot: at('jail'), siblingsIn: [at('jail')], backing: at('root_fs') }
  const jailed = mergeInPlace(at('cow'), { ...options, dryRun: true })
  await expect(jailed).rejects.toMatchObject({
    code: 'SIBLINGS',
    message: expect.stringMatching(/qcow2 overlay .*vms\/absolute, .*vms\/relative too/),
  })
})

/** Store a shorter path of the backing file. The length of the path is a field at offset 16. */
function setPath(file: string, from: string, to: string): void {
  const bytes = readFileSync(file)
  bytes.write(to, bytes.indexOf(from))
  bytes.writeUInt32BE(to.length, 16)
  writeFileSync(file, bytes)
}

describe('a qcow2 overlay on the overlay itself', () => {
  const over = (at: (name: string) => string, backingFormat: 'raw' | 'cow') =>
    createQcow2(at('top.qcow2'), { backing: at('cow'), backingFormat, overwrite: true })
  const needed = { code: 'OVERLAY_NEEDED', message: expect.stringContaining('top.qcow2') }

  test('stops a reset, and a merge that deletes the overlay', async () => {
    const { at } = await scene()
    for (const format of ['raw', 'cow'] as const) {
      await over(at, format)
      await expect(resetOverlay(at('cow'))).rejects.toMatchObject(needed)
      await expect(mergeInPlace(at('cow'), { afterwards: 'delete' })).rejects.toMatchObject(needed)
    }
    await mergeInPlace(at('cow'))
    await resetOverlay(at('cow'), { force: ['siblings'], dryRun: true })
  })

  test('stops a merge that empties the overlay when it reads that as plain data', async () => {
    const { at } = await scene()
    await over(at, 'raw')
    await expect(mergeInPlace(at('cow'), { afterwards: 'reset' })).rejects.toMatchObject(needed)
    await over(at, 'cow')
    await mergeInPlace(at('cow'), { afterwards: 'reset', dryRun: true })
  })

  test('is named when the overlay gets another backing file', async () => {
    const { at } = await scene()
    await over(at, 'cow')
    writeFileSync(at('other'), readFileSync(at('root_fs')))
    const { warnings } = await rebaseUnsafe(at('cow'), at('other'))
    expect(warnings.join('\n')).toContain(`${at('top.qcow2')}: its backing file ${at('cow')} now has another`)
  })
})
