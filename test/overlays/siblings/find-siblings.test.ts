import { chmodSync, copyFileSync, linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { markUndo, serializeNewHeader } from '../../../src/formats/cow/index.js'
import { localHostFiles } from '../../../src/machine/host-files.js'
import { openOverlay } from '../../../src/overlays/open-overlay.js'
import { findSiblings, type SiblingSearchOptions } from '../../../src/overlays/siblings/find-siblings.js'
import { createOverlay } from '../../../src/verbs/create.js'
import { hookedFiles, injected } from '../../support/hooked-files.js'
import { temporaryDirectory } from '../../support/paths.js'
import { countedFiles } from '../../verbs/merge/in-place/mishaps.js'

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

  describe('whose header fits and whose path leads elsewhere', () => {
    /** A jail with an image of its own; the same path leads to the image of the host outside. */
    async function jailScene() {
      const { directory, file, search } = await scene()
      const header = (more: object = {}) =>
        serializeNewHeader({
          mtime,
          virtualSize: size,
          sectorSize: 512,
          alignment: 4096,
          backingPath: Buffer.from('/root_fs'),
          ...more,
        })
      return { directory, file, search, header }
    }

    test('cannot be told from a sibling in a jail', async () => {
      const { file, search, header } = await jailScene()
      writeFileSync(file('other'), Buffer.alloc(size))
      const backingPath = Buffer.from(file('other'))
      writeFileSync(file('nodes/jailed'), header({ backingPath }))
      writeFileSync(file('nodes/of other'), header({ backingPath, mtime: mtime + 1 }))
      expect(await search()).toEqual({ siblings: [], unknown: ['nodes/jailed'] })
    })

    test('is a sibling when it leads there in the jail, on the host or from beside the file itself', async () => {
      const { file, search, header } = await jailScene()
      writeFileSync(file('nodes/jailed'), header())
      writeFileSync(file('nodes/on host'), header({ backingPath: Buffer.from(file('images/root_fs')) }))
      writeFileSync(file('images/relative'), header({ backingPath: Buffer.from('root_fs') }))
      symlinkSync(file('images/relative'), file('nodes/link'))
      writeFileSync(file('nodes/stale'), header({ mtime: mtime - 1 }))
      expect(await search({ backingRoot: file('images') })).toEqual({
        siblings: ['images/relative fresh', 'nodes/jailed fresh', 'nodes/on host fresh', 'nodes/stale stale'],
        unknown: [],
      })
    })

    test('belongs to the jail when it lies in it and the host has a copy of the image', async () => {
      const { file, search, header } = await jailScene()
      // The path leads to the copy on the host, and to the image in the jail.
      mkdirSync(path.join(file('images'), file('images')), { recursive: true })
      const inside = path.join(file('images'), file('copy'))
      linkSync(file('images/root_fs'), inside)
      writeFileSync(file('copy'), Buffer.alloc(size))
      utimesSync(file('copy'), mtime, mtime)
      const backingPath = Buffer.from(file('copy'))
      writeFileSync(file('images/within'), header({ backingPath }))
      writeFileSync(file('nodes/without'), header({ backingPath }))
      writeFileSync(file('nodes/of the copy'), header({ backingPath, mtime: mtime + 1 }))
      expect(await search({ backingRoot: file('images') })).toEqual({
        siblings: ['images/within fresh', 'nodes/of the copy stale'],
        unknown: ['nodes/without'],
      })
    })
  })

  test('follows links to directories below further directories, each directory once', async () => {
    const { make, file, search } = await scene()
    mkdirSync(file('far'))
    await make('far/node')
    symlinkSync(file('far'), file('elsewhere/one'))
    symlinkSync(file('far'), file('elsewhere/deep/two'))
    symlinkSync('two', file('elsewhere/deep/three'))
    symlinkSync('self', file('elsewhere/self'))
    expect(await search({ siblingsIn: [file('elsewhere')] })).toEqual({ siblings: ['far/node fresh'], unknown: [] })
  })

  test('looks beside every name that links to the backing file lead through', async () => {
    const { make, file } = await scene()
    await make('elsewhere/node')
    symlinkSync('../images/root_fs', file('elsewhere/second'))
    symlinkSync('../elsewhere/second', file('nodes/first'))
    const overlay = { path: file('nodes/cow'), facts: await localHostFiles.stat(file('nodes/cow')) }
    const backing = { path: Buffer.from(file('nodes/first')), facts: await localHostFiles.stat(file('nodes/first')) }
    const { siblings } = await findSiblings(localHostFiles, overlay, backing, {})
    expect(siblings.map((one) => one.path.toString())).toEqual([file('elsewhere/node')])
  })

  test('names what lies too deep, and where there is too much', async () => {
    const { make, file, search } = await scene()
    await make('elsewhere/deep/node')
    const limited = (entries: number, depth: number) =>
      search({ siblingsIn: [file('elsewhere')], limits: { entries, depth } })
    expect(await limited(100, 1)).toEqual({ siblings: [], unknown: ['elsewhere/deep'] })
    expect(await limited(1, 10)).toEqual({ siblings: [], unknown: ['elsewhere'] })
    expect(await limited(2, 2)).toEqual({ siblings: ['elsewhere/deep/node fresh'], unknown: [] })
  })

  test.skipIf(process.geteuid?.() === 0)('names links and files that it may not look at', async () => {
    const { file, make, search } = await scene()
    mkdirSync(file('closed'))
    await make('closed/node')
    symlinkSync(file('closed/node'), file('nodes/link'))
    chmodSync(file('closed'), 0)
    const found = await search()
    chmodSync(file('closed'), 0o700)
    expect(found).toEqual({ siblings: [], unknown: ['nodes/link'] })
  })

  test('takes few calls for each, and few files at a time', async () => {
    const { file, make } = await scene()
    const count = 50
    await make('nodes/0')
    for (let i = 1; i < count; i++) copyFileSync(file('nodes/0'), file(`nodes/${i}`))
    const calls: string[] = []
    const counted = countedFiles(hookedFiles((call) => void calls.push(call)))
    const overlay = { path: file('nodes/cow'), facts: await localHostFiles.stat(file('nodes/cow')) }
    const backing = {
      path: Buffer.from(file('images/root_fs')),
      facts: await localHostFiles.stat(file('images/root_fs')),
    }
    const { siblings } = await findSiblings(counted.files, overlay, backing, {})
    expect(siblings).toHaveLength(count)
    // Its entry, open, facts, read, close, a journal of its header; what the path leads to is looked up once for all.
    expect(calls.length).toBeLessThan(count * 6 + 20)
    expect(calls.filter((call) => call === `stat ${file('images/root_fs')}`)).toHaveLength(1)
    expect(counted.most()).toBeLessThanOrEqual(8)
  })

  test('fails when the process may open no more files', async () => {
    const { file, make } = await scene()
    await make('nodes/one')
    const files = hookedFiles((call) => {
      if (call.startsWith('open read')) throw injected('EMFILE')
    })
    const overlay = { path: file('nodes/cow'), facts: await localHostFiles.stat(file('nodes/cow')) }
    const backing = {
      path: Buffer.from(file('images/root_fs')),
      facts: await localHostFiles.stat(file('images/root_fs')),
    }
    await expect(findSiblings(files, overlay, backing, {})).rejects.toMatchObject({ code: 'EMFILE' })
  })

  test('stops when asked', async () => {
    const { search } = await scene()
    await expect(search({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'INTERRUPTED' })
  })
})
