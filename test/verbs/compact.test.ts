import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../src/errors.js'
import { localHostFiles } from '../../src/machine/host-files.js'
import { compact } from '../../src/verbs/compact/index.js'
import { convert } from '../../src/verbs/convert/index.js'
import { createOverlay } from '../../src/verbs/create.js'
import { createQcow2 } from '../../src/verbs/create-qcow2.js'
import { writeOverlay } from '../cli/scene.js'
import { contentOf } from '../support/content-of.js'
import { ownSectors } from '../support/own-sectors.js'
import { temporaryDirectory } from '../support/paths.js'

const noSync = { noSync: true }
const mib = 2 ** 20
const mtime = 1_700_000_000

/** A backing file of 8 MiB, without any hole, half of it zeros; and an overlay with blocks that change nothing. */
function makeScene() {
  const directory = temporaryDirectory()
  const file = (name: string) => path.join(directory, name)
  const bytes = Buffer.alloc(8 * mib)
  for (let at = 0; at < bytes.length; at += 8192) bytes.fill(1 + ((at / 8192) % 200), at, at + 4096)
  writeFileSync(file('root_fs'), bytes)
  utimesSync(file('root_fs'), mtime, mtime)
  const sectors = new Map<number, Buffer>()
  const supply = (sector: number, data: Buffer) => sectors.set(sector, data)
  const below = (sector: number) => bytes.subarray(sector * 512, (sector + 1) * 512)
  // A page that is equal below, one with a single sector that differs, and zeros over data.
  for (let i = 0; i < 8; i++) supply(i, below(i))
  for (let i = 16; i < 24; i++) supply(i, i === 19 ? Buffer.alloc(512, 0xee) : below(i))
  for (let i = 32; i < 40; i++) supply(i, Buffer.alloc(512))
  for (let i = 4096; i < 12_288; i++) supply(i, below(i))
  writeOverlay(file('cow'), { virtualSize: bytes.length, backing: file('root_fs'), mtime, sectors })
  return { directory, file, bytes }
}

const allocated = (name: string) => statSync(name).blocks * 512
const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i)

describe('compact', () => {
  it('makes holes in a backing file, and overlays on it still fit', async () => {
    const { file } = makeScene()
    chmodSync(file('root_fs'), 0o640)
    const before = statSync(file('root_fs'), { bigint: true })
    const shown = await contentOf(file('cow'))
    const planned = await compact(file('root_fs'), { ...noSync, dryRun: true })
    const result = await compact(file('root_fs'), noSync)
    const after = statSync(file('root_fs'), { bigint: true })
    expect(result).toMatchObject({ replaced: true, format: 'raw' })
    expect(after.mtimeNs).toBe(before.mtimeNs)
    expect(after.mode & 0o777n).toBe(0o640n)
    const saved = 8 * mib - allocated(file('root_fs'))
    expect(saved).toBeGreaterThan(3.9 * mib)
    const promised = planned.allocatedBefore - planned.allocatedAfter
    expect(Math.abs(promised - saved)).toBeLessThanOrEqual(saved / 100)
    expect((await contentOf(file('cow'))).equals(shown)).toBe(true)
  })

  it('leaves an image that would not become smaller', async () => {
    const name = path.join(temporaryDirectory(), 'full')
    writeFileSync(name, Buffer.alloc(65536, 1))
    const { ino } = statSync(name)
    expect(await compact(name)).toMatchObject({ replaced: false, allocatedBefore: 65536, allocatedAfter: 65536 })
    expect(statSync(name).ino).toBe(ino)
  })

  it.each([
    [4096, [...range(16, 24), ...range(32, 40)]],
    [512, [19, ...range(32, 40)]],
  ])('drops groups of %i bytes that the backing file of a COW file has', async (unit, expected) => {
    const { file } = makeScene()
    const shown = await contentOf(file('cow'))
    const header = readFileSync(file('cow')).subarray(0, 4128)
    const planned = await compact(file('cow'), { ...noSync, unit, dryRun: true })
    const before = allocated(file('cow'))
    expect(await compact(file('cow'), { ...noSync, unit })).toMatchObject({ replaced: true, format: 'cow' })
    expect(await ownSectors(file('cow'))).toEqual(expected)
    expect((await contentOf(file('cow'))).equals(shown)).toBe(true)
    expect(readFileSync(file('cow')).subarray(0, 4128).equals(header)).toBe(true)
    const saved = before - allocated(file('cow'))
    expect(Math.abs(planned.allocatedBefore - planned.allocatedAfter - saved)).toBeLessThanOrEqual(saved / 100)
  })

  it('drops clusters of a qcow2 image', async () => {
    const { file } = makeScene()
    const shown = await contentOf(file('cow'))
    const make = { ...noSync, format: 'qcow2', outputBacking: file('root_fs'), clusterSize: 4096 } as const
    await convert(file('cow'), file('q'), make)
    const planned = await compact(file('q'), { ...noSync, dryRun: true })
    const before = allocated(file('q'))
    expect(await compact(file('q'), noSync)).toMatchObject({ replaced: true, format: 'qcow2' })
    const saved = before - allocated(file('q'))
    expect(saved).toBeGreaterThan(2 * mib)
    expect(Math.abs(planned.allocatedBefore - planned.allocatedAfter - saved)).toBeLessThanOrEqual(saved / 100)
    expect(await ownSectors(file('q'))).toEqual([...range(16, 24), ...range(32, 40)])
    expect((await contentOf(file('q'))).equals(shown)).toBe(true)
  })

  it('refuses a file with two names, and writes another file instead', async () => {
    const { file } = makeScene()
    linkSync(file('cow'), file('second'))
    await expect(compact(file('cow'), noSync)).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    const old = readFileSync(file('cow'))
    expect(await compact(file('cow'), { ...noSync, output: file('small') })).toMatchObject({ replaced: false })
    expect(readFileSync(file('cow')).equals(old)).toBe(true)
    expect((await contentOf(file('small'))).equals(await contentOf(file('cow')))).toBe(true)
    await expect(compact(file('cow'), { ...noSync, output: file('root_fs') })).rejects.toMatchObject({
      code: 'SAME_FILE',
    })
  })

  it('keeps an overlay that another one reads as plain data', async () => {
    const { file } = makeScene()
    copyFileSync(file('cow'), file('base'))
    utimesSync(file('base'), mtime, mtime)
    await createOverlay(file('top'), file('root_fs'), noSync)
    writeOverlay(file('plain'), { virtualSize: statSync(file('base')).size, backing: file('base'), mtime })
    await expect(compact(file('base'), noSync)).rejects.toMatchObject({ code: 'OVERLAY_NEEDED' })
  })

  it.each(['cow', 'qcow2'] as const)(
    'refuses another backing file than the one that a %s header names',
    async (format) => {
      const { file } = makeScene()
      copyFileSync(file('root_fs'), file('other'))
      utimesSync(file('other'), mtime, mtime)
      await convert(file('cow'), file('ov'), { ...noSync, format, outputBacking: file('root_fs') })
      const old = readFileSync(file('ov'))
      const compactOn = (name: string) => compact(file('ov'), { ...noSync, backing: file(name), dryRun: true })
      await expect(compactOn('other')).rejects.toMatchObject({
        code: 'BACKING_OTHER',
        message: `${file('ov')}: its header leads to ${file('root_fs')}, not to ${file('other')}`,
      })
      await compactOn('root_fs')
      renameSync(file('root_fs'), file('moved'))
      if (format === 'cow') await compactOn('moved')
      else await expect(compactOn('moved')).rejects.toMatchObject({ code: 'BACKING_OTHER' })
      expect(readFileSync(file('ov')).equals(old)).toBe(true)
    },
  )

  /** Make an overlay with a relative path, and a directory with another file of that name. */
  async function makeRelative(format: 'cow' | 'qcow2') {
    const { file } = makeScene()
    mkdirSync(file('far'))
    writeFileSync(file('far/root_fs'), Buffer.alloc(8 * mib, 0x55))
    utimesSync(file('far/root_fs'), mtime, mtime)
    const pathStyle = { kind: 'relative' } as const
    await convert(file('cow'), file('ov'), { ...noSync, format, outputBacking: file('root_fs'), pathStyle })
    return file
  }

  it.each(['cow', 'qcow2'] as const)('refuses a link from where the path of a %s leads elsewhere', async (format) => {
    const file = await makeRelative(format)
    symlinkSync(file('ov'), file('far/link'))
    const old = readFileSync(file('ov'))
    await expect(compact(file('far/link'), noSync)).rejects.toMatchObject({
      code: 'BACKING_AMBIGUOUS',
      hint: expect.stringContaining(realpathSync(file('ov'))),
    })
    expect(readFileSync(file('ov')).equals(old)).toBe(true)
    symlinkSync(file('ov'), file('near'))
    await compact(file('near'), { ...noSync, dryRun: true })
  })

  it.each(['cow', 'qcow2'] as const)('stores the relative path of a %s for the new place', async (format) => {
    const file = await makeRelative(format)
    const shown = await contentOf(file('ov'))
    await compact(file('ov'), { ...noSync, output: file('far/new') })
    expect((await contentOf(file('far/new'))).equals(shown)).toBe(true)
    expect(readFileSync(file('far/new')).includes('../root_fs')).toBe(true)
    await compact(file('ov'), { ...noSync, output: file('far/named'), backing: file('root_fs') })
    expect((await contentOf(file('far/named'))).equals(shown)).toBe(true)
  })

  it.each(['cow', 'qcow2'] as const)('keeps a %s that a qcow2 image reads as plain data', async (format) => {
    const { file } = makeScene()
    await convert(file('cow'), file('base'), { ...noSync, format, outputBacking: file('root_fs') })
    const make = (backingFormat: 'raw' | 'cow' | 'qcow2') =>
      createQcow2(file('top'), { ...noSync, backing: file('base'), backingFormat, overwrite: true })
    await make('raw')
    await expect(compact(file('base'), noSync)).rejects.toMatchObject({ code: 'OVERLAY_NEEDED' })
    await compact(file('base'), { ...noSync, force: ['siblings'], dryRun: true })
    await make(format)
    await compact(file('base'), { ...noSync, dryRun: true })
  })

  it('keeps a qcow2 image that a COW file reads as plain data', async () => {
    const { file } = makeScene()
    await convert(file('cow'), file('base'), { ...noSync, format: 'qcow2', outputBacking: file('root_fs') })
    const { size, mtimeMs } = statSync(file('base'))
    const shape = { backing: file('base'), mtime: Math.floor(mtimeMs / 1000) }
    writeOverlay(file('top'), { ...shape, virtualSize: size })
    await expect(compact(file('base'), noSync)).rejects.toMatchObject({ code: 'OVERLAY_NEEDED' })
  })

  it('warns about features of qcow2 that change', async () => {
    const { file } = makeScene()
    await convert(file('root_fs'), file('q'), { ...noSync, format: 'qcow2' })
    expect((await compact(file('q'), { ...noSync, dryRun: true })).warnings).toEqual([])
    const bytes = readFileSync(file('q'))
    // The low byte of the compatible features: bit 0 is lazy_refcounts.
    bytes[87] = 1
    writeFileSync(file('q'), bytes)
    expect((await compact(file('q'), { ...noSync, dryRun: true })).warnings).toEqual([
      `${file('q')}: the compact image has other features: lazy_refcounts=off instead of on`,
    ])
  })

  it('says that the copy beside the image needs room', async () => {
    const { file } = makeScene()
    const setPermissions = () => Promise.reject(new UmlcowError('ENOSPC', 'full'))
    const files = { ...localHostFiles, setPermissions }
    await expect(compact(file('root_fs'), { ...noSync, files })).rejects.toMatchObject({
      code: 'ENOSPC',
      message: `${file('root_fs')}: no room for the compact copy beside it; the image is as it was`,
      hint: expect.stringContaining('-o'),
    })
    await expect(compact(file('root_fs'), { ...noSync, files, output: file('new') })).rejects.toMatchObject({
      message: 'full',
    })
  })
})
