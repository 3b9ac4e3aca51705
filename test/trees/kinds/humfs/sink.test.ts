import fs from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ManifestEntry, type ManifestItem, safePath } from '../../../../src/formats/manifest/index.js'
import { readTar, writeTar } from '../../../../src/formats/tar/index.js'
import { checkHumfs } from '../../../../src/humfs/check/index.js'
import { humfsify } from '../../../../src/humfs/humfsify/index.js'
import { restoreHumfs } from '../../../../src/humfs/restore/index.js'
import { localTreeWriter, type TreeWriter } from '../../../../src/trees/host/tree-writer.js'
import { checkHumfsItems, writeHumfsTree } from '../../../../src/trees/kinds/humfs/sink.js'
import { ContentTree } from '../../../../src/trees/source/content-tree.js'
import { amount, sampleOf } from '../../../support/amount.js'
import { crashingHost } from '../../../support/crashing-trees.js'
import {
  isRoot,
  makeNastyTree,
  removeTree,
  type Snapshot,
  scratchDirectory,
  snapshot,
} from '../../../support/humfs-tree.js'
import { copyDirectory } from '../../../support/killed-runs.js'
import { bytesOf, entry, furtherName, itemsOf, treeArbitrary } from '../../../support/manifest-entries.js'
import { placeFor } from '../../../support/new-tree.js'

const owner = isRoot ? { uid: 1000, gid: 1001 } : { uid: process.geteuid!(), gid: process.getegid!() }
const options = { owner, size: 2 ** 30, noSync: true, name: 'x' }

const directory = (name: string, change: Partial<ManifestEntry> = {}) => entry(name, { type: 'directory', ...change })
const symlink = (name: string, target: string) => entry(name, { type: 'symlink', linkTarget: bytesOf(target) })

async function* withoutSockets(items: AsyncIterable<ManifestItem>): AsyncGenerator<ManifestItem> {
  for await (const item of items) if (item.entry.type !== 'socket') yield item
}

/** All times of a tree, to the microsecond. */
function times(top: string): Record<string, number> {
  const names = ['', ...fs.readdirSync(top, { recursive: true, encoding: 'latin1' })]
  return Object.fromEntries(
    names.map((name) => [name, Math.floor(fs.lstatSync(Buffer.from(`${top}/${name}`, 'latin1')).mtimeMs * 1000)]),
  )
}

function removeSockets(top: string): void {
  for (const name of ['socket', 'dir/second name of a socket']) fs.rmSync(path.join(top, 'data', name), { force: true })
}

describe('a tree with everything that is hard to keep, laid out of a manifest', () => {
  it.each([
    ['a directory', (tree: ContentTree) => tree.names()],
    ['tar', (tree: ContentTree) => readTar(writeTar(withoutSockets(tree.names())))],
  ])('is what humfsify makes of the same tree: %s', async (kind, itemsOfTree) => {
    const top = scratchDirectory()
    const [plain, done, made] = ['plain', 'done', 'made'].map((name) => path.join(top, name)) as [
      string,
      string,
      string,
    ]
    fs.mkdirSync(plain)
    makeNastyTree(plain)
    if (kind === 'tar') removeSockets(plain)
    const before = snapshot(plain)
    await copyDirectory(plain, done)
    const expected = await humfsify(done, { user: owner.uid, group: owner.gid, size: 2 ** 30, noSync: true })
    const result = await writeHumfsTree(itemsOfTree(new ContentTree(path.join(plain, 'data'))), made, options)
    expect(result).toMatchObject({ entries: expected.entries, used: expected.used, total: 2 ** 30, warnings: [] })
    expect(snapshot(made)).toEqual(snapshot(done))
    const madeTimes = times(path.join(made, 'data'))
    for (const [name, time] of Object.entries(times(path.join(plain, 'data')))) {
      expect(Math.abs(madeTimes[name]! - time), name).toBeLessThanOrEqual(1)
    }
    expect(await checkHumfs(made)).toMatchObject({ findings: [] })
    expect(fs.statSync(made)).toMatchObject(owner)
    await restoreHumfs(made, { noSync: true })
    expect(snapshot(made)).toEqual(before)
    expect(fs.readdirSync(top).sort()).toEqual(['done', 'made', 'plain'])
  })

  it('is clean for any tree, or refused', async () => {
    let clean = 0
    await fc.assert(
      fc.asyncProperty(treeArbitrary, async (tree) => {
        const top = scratchDirectory()
        const made = path.join(top, 'made')
        try {
          const more = { ...options, renameMetadata: '.d' }
          const result = await writeHumfsTree(itemsOf(tree), made, more).catch((error) => error)
          if (result instanceof Error) {
            expect(result).toMatchObject({ code: 'HUMFS_UNFIT' })
            expect(fs.readdirSync(top)).toEqual([])
            return
          }
          clean++
          expect(await checkHumfs(made)).toMatchObject({ findings: [], entries: result.entries })
        } finally {
          removeTree(top)
        }
      }),
      { numRuns: amount({ quick: 15, deep: 400 }) },
    )
    expect(clean).toBeGreaterThan(amount({ quick: 2, deep: 100 }))
  })
})

describe('entries that contradict one another or the system', () => {
  const first = entry('d/first', { size: 10 })
  it.each<[string, string, ManifestEntry[]]>([
    ['the same file twice', 'BAD_ARCHIVE', [entry('a'), entry('a')]],
    ['the same directory twice', 'BAD_ARCHIVE', [directory('a'), directory('a')]],
    ['the top twice', 'BAD_ARCHIVE', [directory(''), directory('')]],
    ['a file below a file', 'BAD_ARCHIVE', [entry('a'), entry('a/b')]],
    ['a file below a link', 'BAD_ARCHIVE', [symlink('a', '/tmp'), entry('a/b')]],
    ['a file below a link to the tree', 'BAD_ARCHIVE', [directory('d'), symlink('a', 'd'), entry('a/b')]],
    ['a file below a link to above', 'BAD_ARCHIVE', [symlink('a', '../../../..'), entry('a/x/beside')]],
    ['a directory in the place of a link', 'BAD_ARCHIVE', [symlink('a', '/tmp'), directory('a')]],
    ['a file in the place of a directory', 'BAD_ARCHIVE', [directory('a'), entry('a')]],
    ['a file in the place of one that was missing', 'BAD_ARCHIVE', [entry('a/b'), entry('a')]],
    ['a link in the place of a directory', 'BAD_ARCHIVE', [entry('a/b'), symlink('a', '.')]],
    ['a hard link to nothing', 'BAD_ARCHIVE', [furtherName('b', entry('a'))]],
    ['a hard link to a directory', 'BAD_ARCHIVE', [directory('a'), { ...furtherName('b', entry('a')) }]],
    ['a hard link to itself', 'BAD_ARCHIVE', [furtherName('a', entry('a'))]],
    ['a hard link to what comes later', 'BAD_ARCHIVE', [furtherName('b', first), first]],
    ['a hard link twice', 'BAD_ARCHIVE', [first, furtherName('b', first), furtherName('b', first)]],
    ['a path that leads out', 'ENTRY_UNFIT', [entry('../beside')]],
    ['an absolute path', 'ENTRY_UNFIT', [entry('/beside')]],
    ['a path with a dot', 'ENTRY_UNFIT', [entry('a/./b')]],
    ['a hard link that leads out', 'ENTRY_UNFIT', [{ ...entry('a'), hardLinkTo: bytesOf('../beside') }]],
    ['a name of 256 bytes', 'HUMFS_UNFIT', [entry('x'.repeat(256))]],
    ['a path of 60,000 bytes', 'HUMFS_UNFIT', [entry('x/'.repeat(30_000).slice(0, -1))]],
    ['a hard link to a path of 60,000 bytes', 'HUMFS_UNFIT', [furtherName('b', entry('x'.repeat(60_000)))]],
    ['a target of 4096 bytes', 'HUMFS_UNFIT', [symlink('a', 'x'.repeat(4096))]],
    ['a directory called metadata', 'HUMFS_UNFIT', [directory('a/metadata')]],
    ['a directory called metadata that is missing', 'HUMFS_UNFIT', [entry('metadata/a')]],
    [
      'an entry that the kernel would cut',
      'HUMFS_UNFIT',
      [
        entry('a', {
          type: 'block',
          mode: 0o777,
          uid: 2 ** 32 - 1,
          gid: 2 ** 32 - 1,
          device: { major: 4095, minor: 1048575 },
        }),
      ],
    ],
  ])('%s: refused, and nothing is there afterwards', async (_, code, entries) => {
    const top = scratchDirectory()
    const place = placeFor(top)
    const strict = { ...options, duplicates: 'refuse' } as const
    await expect(writeHumfsTree(itemsOf(entries), place.directory, strict)).rejects.toMatchObject({ code })
    place.expectNothing()
    await expect(checkHumfsItems(itemsOf(entries), place.directory, strict)).rejects.toMatchObject({ code })
    place.expectNothing()
  })

  it('content that is longer or shorter than announced', async () => {
    for (const [size, given] of [
      [10, 9],
      [10, 11],
      [0, 1],
    ] as const) {
      const place = placeFor(scratchDirectory())
      const items = async function* (): AsyncGenerator<ManifestItem> {
        const content = (async function* () {
          yield Buffer.alloc(given)
        })()
        yield { entry: entry('a', { size }), content }
      }
      await expect(writeHumfsTree(items(), place.directory, options)).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
      place.expectNothing()
    }
  })

  it('all that humfs cannot hold is told at once', async () => {
    const entries = [directory('metadata'), entry('fine'), directory('b/metadata'), entry('y'.repeat(300))]
    const failure = await writeHumfsTree(itemsOf(entries), placeFor(scratchDirectory()).directory, options).catch(
      (e) => e,
    )
    expect(failure).toMatchObject({ code: 'HUMFS_UNFIT', details: { count: 3 } })
    expect(failure.message).toMatch(/^data\/metadata: .*\ndata\/b\/metadata: .*\ndata\/y+: its name takes 300 bytes/)
  })

  it('an entry without a canonical path never gets as far as here: readers give none', () => {
    expect(() => safePath(bytesOf('../x'), 'x', {})).toThrow()
  })
})

describe('directories', () => {
  it('that nobody tells of are made as root has them, and that is said', async () => {
    const made = path.join(scratchDirectory(), 'made')
    const result = await writeHumfsTree(
      itemsOf([entry('a/b/c', { size: 3 }), directory('a', { mode: 0o1700, uid: 7 })]),
      made,
      options,
    )
    expect(result.entries).toBe(4)
    expect(result.warnings).toEqual(['directories that x does not list get mode 0755 and owner root: ., a/b'])
    const read = (name: string) => fs.readFileSync(path.join(made, 'dir_metadata', name), 'latin1')
    expect([read('metadata'), read('a/metadata'), read('a/b/metadata')]).toEqual([
      '493 0 0\n',
      '960 7 0\n',
      '493 0 0\n',
    ])
    expect(fs.statSync(path.join(made, 'data/a')).mode & 0o7777).toBe(0o700)
    expect(await checkHumfs(made)).toMatchObject({ findings: [], entries: 4 })
  })

  it('called metadata get a suffix, with all that is in them and the links to it', async () => {
    const made = path.join(scratchDirectory(), 'made')
    const file = entry('metadata/x/metadata/f', { size: 1 })
    const entries = [directory('metadata'), file, entry('metadata/metadata'), furtherName('again', file)]
    await writeHumfsTree(itemsOf(entries), made, { ...options, renameMetadata: '.d' })
    expect(fs.readdirSync(path.join(made, 'data/metadata.d')).sort()).toEqual(['metadata', 'x'])
    expect(fs.statSync(path.join(made, 'data/again')).ino).toBe(
      fs.statSync(path.join(made, 'data/metadata.d/x/metadata.d/f')).ino,
    )
    expect(await checkHumfs(made)).toMatchObject({ findings: [] })
  })
})

describe('the place of a new tree', () => {
  const items = () => itemsOf([directory(''), entry('a', { size: 9 })])
  const write = (place: string, more: object = {}) => writeHumfsTree(items(), place, { ...options, ...more })

  it('may be an empty directory, or free', async () => {
    const top = scratchDirectory()
    fs.mkdirSync(path.join(top, 'empty'), { mode: 0o700 })
    await write(path.join(top, 'empty'))
    await write(`${top}/free//`)
    for (const name of ['empty', 'free']) expect(await checkHumfs(path.join(top, name))).toMatchObject({ findings: [] })
    expect(fs.readdirSync(top).sort()).toEqual(['empty', 'free'])
  })

  it('is nothing else', async () => {
    const top = scratchDirectory()
    fs.mkdirSync(path.join(top, 'full/below'), { recursive: true })
    fs.mkdirSync(path.join(top, 'empty'))
    fs.writeFileSync(path.join(top, 'file'), '')
    fs.symlinkSync('empty', path.join(top, 'link'))
    fs.symlinkSync('nowhere', path.join(top, 'dangling'))
    const before = snapshot(top)
    for (const [name, code] of [
      ['full', 'TARGET_EXISTS'],
      ['file', 'TARGET_KIND'],
      ['link', 'TARGET_KIND'],
      ['dangling', 'TARGET_KIND'],
      ['empty/.', 'TARGET_KIND'],
      ['full/below/..', 'TARGET_KIND'],
      ['nowhere/new', 'ENOENT'],
      ['file/new', 'ENOTDIR'],
    ]) {
      await expect(write(`${top}/${name}`), name).rejects.toMatchObject({ code })
    }
    expect(snapshot(top)).toEqual(before)
  })

  it('that is taken meanwhile is left to who took it', async () => {
    const top = scratchDirectory()
    const made = path.join(top, 'made')
    const taking = async function* (): AsyncGenerator<ManifestItem> {
      yield* items()
      fs.mkdirSync(made)
      fs.writeFileSync(path.join(made, 'theirs'), '')
    }
    await expect(writeHumfsTree(taking(), made, options)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(fs.readdirSync(top)).toEqual(['made'])
    expect(fs.readdirSync(made)).toEqual(['theirs'])
  })

  it('gets one tree at a time', async () => {
    const top = scratchDirectory()
    const made = path.join(top, 'made')
    const racing = async function* (): AsyncGenerator<ManifestItem> {
      yield* items()
      await expect(write(made)).rejects.toMatchObject({ code: 'IN_USE' })
    }
    await writeHumfsTree(racing(), made, options)
    expect(await checkHumfs(made)).toMatchObject({ findings: [] })
  })

  it('is not made where somebody else has put something under the name of the work', async () => {
    const top = scratchDirectory()
    const work = path.join(top, '.umlcow-new-made')
    for (const put of [
      () => fs.writeFileSync(work, 'theirs'),
      () => fs.symlinkSync('/tmp', work),
      () => fs.mkdirSync(work, { mode: 0o755 }),
      () => fs.mkdirSync(path.join(work, 'theirs'), { recursive: true, mode: 0o700 }),
    ]) {
      put()
      const before = snapshot(top)
      await expect(write(path.join(top, 'made'))).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
      expect(snapshot(top)).toEqual(before)
      removeTree(work)
    }
  })

  it('is not made in a directory of others that takes the place of the work just before it is opened', async () => {
    const top = scratchDirectory()
    const work = path.join(top, '.umlcow-new-made')
    const holdDirectory: TreeWriter['holdDirectory'] = (directory) => {
      fs.rmdirSync(work)
      fs.mkdirSync(path.join(work, 'tree/theirs'), { recursive: true })
      fs.chmodSync(work, 0o755)
      return localTreeWriter.holdDirectory(directory)
    }
    const writer = { ...localTreeWriter, holdDirectory }
    await expect(write(path.join(top, 'made'), { writer })).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(fs.readdirSync(path.join(work, 'tree'))).toEqual(['theirs'])
    expect(fs.statSync(work).mode & 0o777).toBe(0o755)
  })

  it('is where the work was, although a link has taken its name', async () => {
    const top = scratchDirectory()
    const outside = path.join(top, 'outside')
    fs.mkdirSync(path.join(outside, 'tree'), { recursive: true })
    const made = path.join(top, 'parent/made')
    fs.mkdirSync(path.dirname(made))
    const moving = async function* (): AsyncGenerator<ManifestItem> {
      yield { entry: directory(''), content: null }
      fs.renameSync(path.join(top, 'parent/.umlcow-new-made'), path.join(top, 'parent/moved'))
      fs.symlinkSync(outside, path.join(top, 'parent/.umlcow-new-made'))
      yield* itemsOf([entry('a', { size: 9 }), directory('b')])
    }
    await writeHumfsTree(moving(), made, options)
    expect(snapshot(outside)).toEqual({ tree: expect.anything() })
    expect(await checkHumfs(made)).toMatchObject({ findings: [], entries: 3 })
  })

  it('belongs to us but where root says otherwise', async () => {
    const made = path.join(scratchDirectory(), 'made')
    const own = { uid: process.geteuid?.(), gid: process.getegid?.() }
    expect(await write(made, { owner: undefined, size: undefined })).toMatchObject({ ...own, total: 2 ** 20 })
    expect(fs.statSync(path.join(made, 'file_metadata/a'))).toMatchObject(own)
  })

  it('is refused a size that is too small', async () => {
    const place = placeFor(scratchDirectory())
    await expect(write(place.directory, { size: 4095 })).rejects.toMatchObject({ code: 'HUMFS_UNFIT' })
    place.expectNothing()
  })

  it('stays free when we are stopped', async () => {
    const place = placeFor(scratchDirectory())
    const stop = new AbortController()
    const stopping = async function* (): AsyncGenerator<ManifestItem> {
      yield* items()
      stop.abort()
      yield* itemsOf([entry('b', { size: 5 })])
    }
    const run = writeHumfsTree(stopping(), place.directory, { ...options, signal: stop.signal })
    await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' })
    place.expectNothing()
  })
})

describe('a run that fails or is killed at any call', () => {
  const first = entry('dir/first', { size: 5000, mode: 0o4755, uid: 3_000_000_000 })
  const tree = [
    directory('', { mode: 0o755 }),
    first,
    furtherName('again', first),
    symlink('link', 'x'),
    entry('fifo', { type: 'fifo' }),
    entry('node', { type: 'block', device: { major: 300, minor: 3000 } }),
    directory('dir', { mode: 0o1770 }),
  ]

  /** `chosen`: calls of each name, in a deep run all of them. */
  async function expected(): Promise<{ after: Snapshot; count: number; chosen: number[] }> {
    const top = scratchDirectory()
    const { calls, ...host } = crashingHost(Number.POSITIVE_INFINITY)
    await writeHumfsTree(itemsOf(tree), path.join(top, 'made'), { ...options, ...host })
    const indexes = calls.map((_, index) => index)
    const chosen = sampleOf('a humfs tree that fails', indexes, 12, (index) => calls[index])
    return { after: snapshot(path.join(top, 'made')), count: calls.length, chosen }
  }

  it('leaves nothing under the final name, and the next run does not mind what is left', async () => {
    const { after, count, chosen } = await expected()
    expect(count).toBeGreaterThan(25)
    for (const crashAt of chosen) {
      const top = scratchDirectory()
      const made = path.join(top, 'made')
      const { calls, ...host } = crashingHost(crashAt)
      const outcome = await writeHumfsTree(itemsOf(tree), made, { ...options, ...host }).catch((error) => error)
      const label = `${crashAt}: ${calls[crashAt]}`
      if (fs.existsSync(made)) {
        expect(snapshot(made), label).toEqual(after)
        removeTree(made)
      } else expect(outcome, label).toMatchObject({ code: 'EIO' })
      const hadLeft = fs.existsSync(path.join(top, '.umlcow-new-made/tree'))
      const { warnings } = await writeHumfsTree(itemsOf(tree), made, options)
      expect(warnings, label).toEqual(hadLeft ? ['removed what an earlier run left'] : [])
      expect(snapshot(made), label).toEqual(after)
      expect(fs.readdirSync(top), label).toEqual(['made'])
      removeTree(top)
    }
  })

  it('leaves nothing at all when one call fails', async () => {
    const { after, chosen } = await expected()
    for (const failAt of chosen) {
      const top = scratchDirectory()
      const made = path.join(top, 'made')
      const { calls, ...host } = crashingHost(failAt, { once: true })
      await writeHumfsTree(itemsOf(tree), made, { ...options, ...host }).catch(() => {})
      const label = `${failAt}: ${calls[failAt]}`
      // The calls that tidy up can fail, too.
      const isTidying = ['unlink', 'removeDirectory', 'rename'].includes(calls[failAt]!) || fs.existsSync(made)
      if (!isTidying && failAt > 2) expect(fs.readdirSync(top), label).toEqual([])
      if (fs.existsSync(made)) expect(snapshot(made), label).toEqual(after)
      removeTree(top)
    }
  })
})
