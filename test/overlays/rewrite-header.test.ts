import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { editHeader, parseCowHeader } from '../../src/formats/cow/index.js'
import { type HostFiles, localHostFiles } from '../../src/machine/host-files.js'
import type { FileStore } from '../../src/machine/stores/file-store.js'
import { openOverlay } from '../../src/overlays/open-overlay.js'
import { assertNotTorn, findUnfinishedRewrite, rewriteHeader, undoRewrite } from '../../src/overlays/rewrite-header.js'
import { rewriteJournalPath } from '../../src/overlays/rewrite-journal.js'
import { type GenerateOptions, generatePair, type PairLayout, writePair } from '../support/generate.js'
import { failAt, hookedFiles, injected } from '../support/hooked-files.js'
import { temporaryDirectory } from '../support/paths.js'

interface Scene {
  readonly overlayPath: string
  readonly before: Uint8Array
  readonly after: Uint8Array
  /** The bytes behind the header. */
  readonly rest: Uint8Array
}

/** An overlay on disk with its header as it is and as it shall be. */
function prepare(layout: PairLayout, change: { path?: string; mtime?: number }, options: GenerateOptions = {}): Scene {
  const pair = generatePair(7, { layout, virtualSize: 64 * 512, sectorSize: 512, alignment: 4096, ...options })
  const { overlayPath } = writePair(pair, temporaryDirectory())
  const header = parseCowHeader(pair.overlayBytes, { fileSize: pair.overlayBytes.length })
  const backingPath = change.path === undefined ? undefined : Buffer.from(change.path)
  const after = editHeader(header, { backingPath, mtime: change.mtime })
  return { overlayPath, before: header.bytes, after, rest: pair.overlayBytes.slice(header.bytes.length) }
}

async function rewrite(
  scene: Scene,
  files: HostFiles = localHostFiles,
  wrap = (store: FileStore) => store,
): Promise<void> {
  const store = await files.open(scene.overlayPath, 'readWrite')
  try {
    await rewriteHeader(files, scene.overlayPath, wrap(store), scene.before, scene.after)
  } finally {
    await store.close().catch(() => {})
  }
}

async function undo(scene: Scene, files: HostFiles = localHostFiles): Promise<void> {
  const store = await files.open(scene.overlayPath, 'readWrite')
  try {
    await undoRewrite(files, scene.overlayPath, store)
  } finally {
    await store.close().catch(() => {})
  }
}

function headerNow(scene: Scene): Buffer {
  return readFileSync(scene.overlayPath).subarray(0, scene.before.length)
}

function expectHeader(scene: Scene, expected: Uint8Array): void {
  const file = readFileSync(scene.overlayPath)
  expect(file.equals(Buffer.concat([expected, scene.rest]))).toBe(true)
}

function journalOf(scene: Scene): string {
  return `${scene.overlayPath}.umlcow-header`
}

/** A store that stops for good in the middle of its writes, after so many bytes. */
function crashingStore(store: FileStore, bytesLeft: number): FileStore {
  let left = bytesLeft
  const crash = async () => {
    if (left <= 0) throw injected('EIO')
  }
  return {
    ...store,
    async write(offset, source) {
      await crash()
      const count = await store.write(offset, source.subarray(0, left))
      left -= count
      return count
    },
    sync: async () => {
      throw injected('EIO')
    },
  }
}

const longPath = `/srv/${'a long way down/'.repeat(60)}root_fs`

describe('a change inside one sector of the disk', () => {
  test.each([
    ['v3, mtime', 'v3', { mtime: 5 }, {}],
    ['v3, a short path', 'v3', { path: '/srv/other' }, {}],
    ['v3, a path of 480 bytes over one as long', 'v3', { path: 'y'.repeat(480) }, { headerPath: 'x'.repeat(480) }],
    ['v3, a path of 479 bytes', 'v3', { path: 'x'.repeat(479), mtime: 5 }, {}],
    ['v3padded, both', 'v3padded', { path: '/srv/other', mtime: 5 }, {}],
    ['v1, both, the longest path', 'v1', { path: 'x'.repeat(255), mtime: 5 }, {}],
    ['v2, mtime', 'v2', { mtime: 5 }, {}],
  ] as [string, PairLayout, { path?: string; mtime?: number }, GenerateOptions][])(
    'is one write, without a journal: %s',
    async (_what, layout, change, options) => {
      const scene = prepare(layout, change, options)
      const calls: string[] = []
      await rewrite(
        scene,
        hookedFiles((call) => void calls.push(call)),
      )
      expectHeader(scene, scene.after)
      expect(calls.filter((call) => call.startsWith('write '))).toHaveLength(1)
      expect(calls.filter((call) => /^(open createNew|link|rename)/.test(call))).toEqual([])
      const written = calls.findIndex((call) => call.startsWith('write '))
      expect(calls.findIndex((call) => call.startsWith('sync '))).toBe(written + 1)
      expect(readdirSync(path.dirname(scene.overlayPath)).sort()).toEqual(['cow', 'root_fs'])
    },
  )

  test('writes those bytes only that change', async () => {
    const scene = prepare('v3', { mtime: 5 })
    const writes: [number, number][] = []
    await rewrite(scene, localHostFiles, (store) => ({
      ...store,
      write: (offset, source) => {
        writes.push([offset, source.length])
        return store.write(offset, source)
      },
    }))
    expect(writes).toEqual([[8, 4]])
  })
})

test('no change is no write', async () => {
  const scene = prepare('v3', {})
  const calls: string[] = []
  await rewrite(
    { ...scene, after: scene.before },
    hookedFiles((call) => void calls.push(call)),
  )
  expect(calls.filter((call) => /^(write|sync|open createNew)/.test(call))).toEqual([])
  expectHeader(scene, scene.before)
})

/** Changes that touch more than one sector of 512 bytes. */
const wide: readonly (readonly [string, PairLayout, { path?: string; mtime?: number }, GenerateOptions])[] = [
  ['v3, a long path', 'v3', { path: longPath, mtime: 5 }, {}],
  ['v3padded, a long path', 'v3padded', { path: longPath }, {}],
  ['v2, path and mtime', 'v2', { path: '/srv/other', mtime: 5 }, {}],
  ['v3, the longest path', 'v3', { path: 'x'.repeat(4095), mtime: 5 }, { headerPath: 'y'.repeat(4095) }],
]

describe('a wider change', () => {
  test.each(wide)('keeps both headers until the new one is synced: %s', async (_what, layout, change, options) => {
    const scene = prepare(layout, change, options)
    const calls: string[] = []
    let seen = ''
    const files = hookedFiles((call) => {
      calls.push(call)
      if (call === `write ${scene.overlayPath}`) {
        seen = readFileSync(journalOf(scene)).toString('latin1')
        expectHeader(scene, scene.before)
      }
    })
    await rewrite(scene, files)
    expectHeader(scene, scene.after)
    expect(existsSync(journalOf(scene))).toBe(false)
    expect(readdirSync(path.dirname(scene.overlayPath)).sort()).toEqual(['cow', 'root_fs'])
    expect(seen).toContain(Buffer.concat([scene.before, scene.after]).toString('latin1'))
    // The journal and its name are on the disk before the first byte of the overlay changes, and until it is synced.
    const at = (call: string) => calls.findIndex((one) => one.startsWith(call))
    const overlayWrite = calls.indexOf(`write ${scene.overlayPath}`)
    expect(calls.findIndex((call) => call.startsWith(`sync ${journalOf(scene)}`))).toBeLessThan(overlayWrite)
    expect(at('syncDirectory')).toBeGreaterThan(-1)
    expect(at('syncDirectory')).toBeLessThan(overlayWrite)
    const overlaySync = calls.indexOf(`sync ${scene.overlayPath}`, overlayWrite)
    expect(overlaySync).toBeGreaterThan(overlayWrite)
    expect(calls.indexOf(`unlink ${journalOf(scene)}`)).toBeGreaterThan(overlaySync)
    expect(calls.findLastIndex((call) => call.startsWith('syncDirectory'))).toBeGreaterThan(overlaySync)
  })

  test.each(wide)('cut short is noticed and undone: %s', async (_what, layout, change, options) => {
    const total = prepare(layout, change, options).after.length
    let torn = 0
    for (const bytes of [0, 1, 3, 4, 30, 100, 511, 512, 700, 1000, 2000, 4000, 4095, 4110, total]) {
      const scene = prepare(layout, change, options)
      await rewrite(scene, localHostFiles, (store) => crashingStore(store, bytes)).catch(() => {})
      expect(existsSync(journalOf(scene))).toBe(true)
      const header = headerNow(scene)
      const isTorn = !header.equals(scene.before) && !header.equals(scene.after)
      expect(await findUnfinishedRewrite(localHostFiles, scene.overlayPath, header)).toBe(isTorn ? 'torn' : 'whole')
      if (isTorn) {
        torn++
        await expect(assertNotTorn(localHostFiles, scene.overlayPath, header)).rejects.toMatchObject({
          code: 'UNFINISHED_REWRITE',
          hint: `umlcow check --repair ${scene.overlayPath}`,
        })
        await expect(openOverlay(localHostFiles, scene.overlayPath)).rejects.toMatchObject({
          code: 'UNFINISHED_REWRITE',
        })
      } else {
        await assertNotTorn(localHostFiles, scene.overlayPath, header)
      }
      await undo(scene)
      expectHeader(scene, isTorn ? scene.before : header)
      expect(readdirSync(path.dirname(scene.overlayPath)).sort()).toEqual(['cow', 'root_fs'])
      await (await openOverlay(localHostFiles, scene.overlayPath)).store.close()
    }
    expect(torn).toBeGreaterThan(2)
  })

  test.each(['recovers', 'gone'] as const)('survives a failure of any call: the disk %s', async (after) => {
    const states = new Set<string>()
    for (let count = 0; ; count++) {
      const scene = prepare('v3', { path: longPath, mtime: 5 })
      const fault = failAt(count, after)
      const outcome = await rewrite(scene, hookedFiles(fault.hook)).then(
        () => 'done',
        (error: { code: string }) => error.code,
      )
      const call = fault.failed()
      if (call === null) {
        expect(outcome).toBe('done')
        break
      }
      const state = await findUnfinishedRewrite(localHostFiles, scene.overlayPath, headerNow(scene))
      states.add(state)
      await undo(scene)
      const header = headerNow(scene)
      expect(
        [scene.before, scene.after].some((one) => header.equals(one)),
        call,
      ).toBe(true)
      expect(existsSync(journalOf(scene)), call).toBe(false)
      if (after === 'recovers') {
        expect(readdirSync(path.dirname(scene.overlayPath)).sort(), call).toEqual(['cow', 'root_fs'])
      }
    }
    expect(states).toContain('none')
    expect(states).toContain('whole')
  })

  test('is undone, and that is synced, before the journal goes', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    await rewrite(scene, localHostFiles, (store) => crashingStore(store, 9)).catch(() => {})
    const calls: string[] = []
    await undo(
      scene,
      hookedFiles((call) => void calls.push(call)),
    )
    const order = [`write ${scene.overlayPath}`, `sync ${scene.overlayPath}`, `unlink ${journalOf(scene)}`]
    expect(calls.filter((call) => order.includes(call))).toEqual(order)
  })

  test('an undo that fails can be done again', async () => {
    for (let count = 0; ; count++) {
      const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
      await rewrite(scene, localHostFiles, (store) => crashingStore(store, 9)).catch(() => {})
      const fault = failAt(count, 'gone')
      await undo(scene, hookedFiles(fault.hook)).catch(() => {})
      if (fault.failed() === null) break
      await undo(scene)
      expectHeader(scene, scene.before)
      expect(existsSync(journalOf(scene))).toBe(false)
    }
  })

  test('goes over a journal that was left', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    await rewrite(scene, localHostFiles, (store) => crashingStore(store, 0)).catch(() => {})
    expect(existsSync(journalOf(scene))).toBe(true)
    await rewrite(scene)
    expectHeader(scene, scene.after)
    expect(existsSync(journalOf(scene))).toBe(false)
  })

  test('a narrow change removes a journal that was left, which is about another header then', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    await rewrite(scene, localHostFiles, (store) => crashingStore(store, 0)).catch(() => {})
    const header = parseCowHeader(scene.before)
    await rewrite({ ...scene, after: editHeader(header, { mtime: 6 }) })
    expect(existsSync(journalOf(scene))).toBe(false)
    await (await openOverlay(localHostFiles, scene.overlayPath)).store.close()
  })
})

describe('a journal', () => {
  test('has the name of the overlay, links resolved, and one more word', async () => {
    const { overlayPath } = prepare('v2', {})
    const link = path.join(path.dirname(overlayPath), 'link')
    symlinkSync('cow', link)
    for (const name of [overlayPath, link, Buffer.from(link)]) {
      expect((await rewriteJournalPath(localHostFiles, name)).toString()).toBe(`${overlayPath}.umlcow-header`)
    }
  })

  test('that was left is found by any link to the overlay', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    mkdirSync(path.join(path.dirname(scene.overlayPath), 'sub'))
    const link = path.join(path.dirname(scene.overlayPath), 'sub/link')
    symlinkSync('../cow', link)
    await rewrite({ ...scene, overlayPath: link }, localHostFiles, (store) => crashingStore(store, 9)).catch(() => {})
    for (const overlayPath of [scene.overlayPath, link]) {
      const found = assertNotTorn(localHostFiles, overlayPath, headerNow(scene))
      await expect(found).rejects.toMatchObject({ code: 'UNFINISHED_REWRITE' })
    }
    await undo(scene)
    expectHeader(scene, scene.before)
  })

  test('does not replace a file of its name that is none, and the header stays as it is', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    writeFileSync(journalOf(scene), 'something of value')
    await expect(rewrite(scene)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expectHeader(scene, scene.before)
    await undo(scene)
    expect(readFileSync(journalOf(scene), 'utf8')).toBe('something of value')
    // A narrow change needs no journal.
    await rewrite({ ...scene, after: editHeader(parseCowHeader(scene.before), { mtime: 6 }) })
    expect(readFileSync(journalOf(scene), 'utf8')).toBe('something of value')
  })

  test('has no room beside a name as long as may be: refused, and narrow changes are made', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    const overlayPath = path.join(path.dirname(scene.overlayPath), 'n'.repeat(255))
    renameSync(scene.overlayPath, overlayPath)
    const long = { ...scene, overlayPath }
    await expect(rewrite(long)).rejects.toMatchObject({ code: 'NAME_TOO_LONG' })
    expectHeader(long, scene.before)
    await (await openOverlay(localHostFiles, overlayPath)).store.close()
    const narrow = { ...long, after: editHeader(parseCowHeader(scene.before), { mtime: 6 }) }
    await rewrite(narrow)
    expectHeader(narrow, narrow.after)
  })

  test('about another header means nothing', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    await rewrite(scene, localHostFiles, (store) => crashingStore(store, 9)).catch(() => {})
    const other = Buffer.from(scene.before)
    other.fill(0x41, 20, 30)
    expect(await findUnfinishedRewrite(localHostFiles, scene.overlayPath, other)).toBe('none')
    expect(await findUnfinishedRewrite(localHostFiles, scene.overlayPath, scene.before.subarray(0, 100))).toBe('none')
    await assertNotTorn(localHostFiles, scene.overlayPath, other)
  })

  test.each([
    ['empty', (journal: Buffer) => journal.subarray(0, 0)],
    ['its first line only', (journal: Buffer) => journal.subarray(0, 23)],
    ['cut', (journal: Buffer) => journal.subarray(0, journal.length - 1)],
    ['cut by half', (journal: Buffer) => journal.subarray(0, Math.floor(journal.length / 2))],
    ['with another first line', (journal: Buffer) => Buffer.concat([Buffer.from('x'), journal.subarray(1)])],
    ['too long', (journal: Buffer) => Buffer.concat([journal, Buffer.alloc(9000)])],
  ])('that is %s never makes a header of nothing', async (_what, spoil) => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    await rewrite(scene, localHostFiles, (store) => crashingStore(store, 9)).catch(() => {})
    const torn = headerNow(scene)
    writeFileSync(journalOf(scene), spoil(readFileSync(journalOf(scene))))
    expect(await findUnfinishedRewrite(localHostFiles, scene.overlayPath, torn)).toBe('none')
    await undo(scene)
    expect(headerNow(scene).equals(torn)).toBe(true)
  })

  test('that is a directory or a link is none of ours', async () => {
    for (const make of [
      (place: string) => mkdirSync(place),
      (place: string) => symlinkSync('root_fs', place),
      (place: string) => symlinkSync('nothing', place),
    ]) {
      const scene = prepare('v2', { mtime: 5 })
      make(journalOf(scene))
      expect(await findUnfinishedRewrite(localHostFiles, scene.overlayPath, scene.before)).toBe('none')
      await undo(scene)
      expectHeader(scene, scene.before)
    }
  })

  test('that cannot be read is an error, not a whole header', async () => {
    const scene = prepare('v2', { path: '/srv/other', mtime: 5 })
    await rewrite(scene, localHostFiles, (store) => crashingStore(store, 9)).catch(() => {})
    const files = hookedFiles((call) => {
      if (call.startsWith('open read ')) throw injected('EACCES')
    })
    const found = assertNotTorn(files, scene.overlayPath, headerNow(scene))
    await expect(found).rejects.toMatchObject({ code: 'EACCES' })
  })
})
