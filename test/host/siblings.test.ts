import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { markUndo } from '../../src/formats/cow/index.js'
import { localHostFiles } from '../../src/host/host-files.js'
import { openOverlay } from '../../src/host/open-overlay.js'
import { findSiblings, type SiblingSearchOptions } from '../../src/host/siblings.js'
import { createOverlay } from '../../src/verbs/create.js'
import { temporaryDirectory } from '../support/paths.js'

const size = 64 * 1024
const mtime = 1_700_000_000

async function scene() {
  const directory = temporaryDirectory()
  const file = (name: string) => path.join(directory, name)
  for (const name of ['images', 'nodes', 'elsewhere', 'elsewhere/deep']) mkdirSync(file(name))
  writeFileSync(file('images/root_fs'), Buffer.alloc(size, 'x'))
  utimesSync(file('images/root_fs'), mtime, mtime)
  const make = (name: string) => createOverlay(file(name), file('images/root_fs'), { noSync: true })
  await make('nodes/cow')
  return { directory, file, make, search: (options?: SiblingSearchOptions) => search(file, options) }
}

async function search(file: (name: string) => string, options: SiblingSearchOptions = {}) {
  const overlay = await openOverlay(localHostFiles, file('nodes/cow'))
  await overlay.store.close()
  const backing = {
    path: Buffer.from(file('images/root_fs')),
    facts: await localHostFiles.stat(file('images/root_fs')),
  }
  const { siblings, unknown } = await findSiblings(localHostFiles, overlay, backing, options)
  const name = (one: { path: Buffer }) => path.relative(file('.'), one.path.toString())
  return {
    siblings: siblings.map((one) => `${name(one)} ${one.state}`).sort(),
    unknown: unknown.map(name).sort(),
  }
}

describe('findSiblings', () => {
  test('finds them beside the overlay and beside the backing file, by their content', async () => {
    const { make, file, search } = await scene()
    await make('nodes/anything.txt')
    await make('images/other')
    await make('elsewhere/not looked for')
    await make('nodes/.umlcow-17-0123456789ab.tmp')
    await make('nodes/.umlcow-of-mine.tmp')
    writeFileSync(file('nodes/cow.like'), 'no overlay')
    symlinkSync('cow', file('nodes/link to the overlay'))
    symlinkSync('nothing', file('nodes/dangling'))
    mkdirSync(file('nodes/directory'))
    expect(await search()).toEqual({
      siblings: ['images/other fresh', 'nodes/.umlcow-of-mine.tmp fresh', 'nodes/anything.txt fresh'],
      unknown: [],
    })
  })

  test('each once, by whatever names', async () => {
    const { make, file, search } = await scene()
    await make('elsewhere/far')
    symlinkSync(file('elsewhere/far'), file('nodes/near'))
    symlinkSync(file('elsewhere/far'), file('images/too'))
    expect(await search({ siblingsIn: [file('elsewhere'), file('.')] })).toEqual({
      siblings: ['elsewhere/far fresh'],
      unknown: [],
    })
  })

  test('below further directories, without following links round in a circle', async () => {
    const { make, file, search } = await scene()
    await make('elsewhere/deep/node')
    symlinkSync(file('.'), file('elsewhere/deep/circle'))
    expect(await search({ siblingsIn: [file('elsewhere')] })).toEqual({
      siblings: ['elsewhere/deep/node fresh'],
      unknown: [],
    })
  })

  test('tells stale ones and undo overlays', async () => {
    const { make, file, search } = await scene()
    utimesSync(file('images/root_fs'), mtime - 5, mtime - 5)
    await make('nodes/stale')
    utimesSync(file('images/root_fs'), mtime, mtime)
    const backingPath = Buffer.from(file('images/root_fs'))
    const header = { mtime, virtualSize: size, sectorSize: 512, alignment: 4096, backingPath }
    writeFileSync(file('nodes/undo'), markUndo(header))
    expect((await search()).siblings).toEqual(['nodes/stale stale', 'nodes/undo undo'])
  })

  test('takes one whose path leads nowhere by size and mtime', async () => {
    const { file, search } = await scene()
    const header = { mtime, virtualSize: size, sectorSize: 512, alignment: 4096, backingPath: Buffer.from('/no/such') }
    writeFileSync(file('nodes/jail'), markUndo(header))
    writeFileSync(file('nodes/other mtime'), markUndo({ ...header, mtime: mtime + 1 }))
    writeFileSync(file('nodes/other size'), markUndo({ ...header, virtualSize: size + 512 }))
    expect((await search()).siblings).toEqual(['nodes/jail undo'])
  })

  test('cannot tell of a damaged one', async () => {
    const { file, search } = await scene()
    writeFileSync(file('nodes/damaged'), Buffer.from('4f4f4f4d00000009', 'hex'))
    writeFileSync(file('nodes/short'), Buffer.from('4f4f4f4d', 'hex'))
    expect(await search()).toEqual({ siblings: [], unknown: ['nodes/damaged', 'nodes/short'] })
  })

  test.skipIf(process.geteuid?.() === 0)('cannot tell of one that it may not read', async () => {
    const { file, make, search } = await scene()
    await make('nodes/secret')
    chmodSync(file('nodes/secret'), 0)
    chmodSync(file('elsewhere/deep'), 0)
    const found = await search({ siblingsIn: [file('elsewhere')] })
    chmodSync(file('elsewhere/deep'), 0o700)
    expect(found).toEqual({ siblings: [], unknown: ['elsewhere/deep', 'nodes/secret'] })
  })

  test('stops when asked', async () => {
    const { search } = await scene()
    await expect(search({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })
})
