import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../src/errors.js'
import { checkHumfs } from '../../src/humfs/check/index.js'
import { humfsify } from '../../src/humfs/humfsify/index.js'
import { humfsInfo } from '../../src/humfs/info.js'
import { restoreHumfs } from '../../src/humfs/restore/index.js'
import { localTreeWriter, type TreeWriter } from '../../src/trees/host/tree-writer.js'
import { sampleOf, tally } from '../support/amount.js'
import { crashingHost } from '../support/crashing-trees.js'
import { makeSmallTree, owner, removeTree, type Snapshot, scratchDirectory, snapshot } from '../support/humfs-tree.js'
import { copyDirectory } from '../support/killed-runs.js'

const options = { ...owner, size: 2 ** 30, noSync: true }

interface Scene {
  readonly top: string
  readonly plain: string
  readonly done: string
  readonly before: Snapshot
  readonly after: Snapshot
}

async function makeScene(): Promise<Scene> {
  const top = scratchDirectory()
  const plain = path.join(top, 'plain')
  const done = path.join(top, 'done')
  fs.mkdirSync(plain)
  makeSmallTree(plain)
  await copyDirectory(plain, done)
  const before = snapshot(plain)
  await humfsify(done, options)
  return { top, plain, done, before, after: snapshot(done) }
}

/** Calls of a run that change something. */
interface Calls {
  readonly count: number
  /** Those that are to fail: all of them in a deep run, some of each name in a quick one. */
  readonly chosen: readonly number[]
}

/** Count the calls of a run, and choose some of them. */
async function callsOf(from: string, run: (directory: string, host: object) => Promise<unknown>): Promise<Calls> {
  const directory = `${from}-counted`
  await copyDirectory(from, directory)
  const host = crashingHost(Number.POSITIVE_INFINITY)
  await run(directory, host)
  removeTree(directory)
  const indexes = host.calls.map((_, index) => index)
  const chosen = sampleOf(expect.getState().currentTestName ?? '', indexes, 4, (index) => host.calls[index])
  tally('humfs runs that fail at a call', chosen.length)
  return { count: indexes.length, chosen }
}

const forward = (directory: string, host: object = {}) => humfsify(directory, { ...options, ...host })
const back = (directory: string, host: object = {}) => restoreHumfs(directory, { noSync: true, ...host })

/** Runs `first` until it crashes at a call, then `next`, and looks at what is there then. */
async function crashEach(
  scene: Scene,
  from: string,
  first: typeof forward | typeof back,
  next: (directory: string) => Promise<unknown>,
  expected: Snapshot,
  torn: boolean,
): Promise<number> {
  const { count, chosen } = await callsOf(from, first)
  for (const crashAt of chosen) {
    const directory = path.join(scene.top, `crash${crashAt}`)
    await copyDirectory(from, directory)
    const host = crashingHost(crashAt, { torn })
    await expect(first(directory, host), `${crashAt}`).rejects.toMatchObject({ code: 'EIO' })
    await next(directory)
    expect(snapshot(directory), `after a crash at ${crashAt}, ${host.calls[crashAt]}`).toEqual(expected)
    removeTree(directory)
  }
  return count
}

/** The reverse of a run that had not begun has nothing to do. */
async function backOrNothing(directory: string): Promise<void> {
  await back(directory).catch((error) => expect(error).toMatchObject({ code: 'NOT_HUMFS' }))
}

describe.each([
  ['at each call', false],
  ['in the middle of each call', true],
])('killed %s', (_, torn) => {
  it('humfsify is finished by the same command', async () => {
    const scene = await makeScene()
    const count = await crashEach(scene, scene.plain, forward, forward, scene.after, torn)
    expect(count).toBeGreaterThan(25)
  })

  it('humfsify is undone by its reverse', async () => {
    const scene = await makeScene()
    await crashEach(scene, scene.plain, forward, backOrNothing, scene.before, torn)
  })

  it('the reverse is finished by the same command', async () => {
    const scene = await makeScene()
    const count = await crashEach(scene, scene.done, back, backOrNothing, scene.before, torn)
    expect(count).toBeGreaterThan(25)
  })
})

describe.each([
  ['at each call', { torn: false }],
  ['in the middle of each call', { torn: true }],
  ['by one call', { once: true }],
])("the repair of a guest's rename that fails %s", (_, how) => {
  it('is as before or as after, or the next one makes it so', async () => {
    const top = scratchDirectory()
    const [renamed, wanted] = ['renamed', 'wanted'].map((name) => path.join(top, name)) as [string, string]
    for (const directory of [renamed, wanted]) {
      fs.mkdirSync(directory)
      makeSmallTree(directory)
    }
    await humfsify(renamed, options)
    fs.renameSync(path.join(renamed, 'data/dir'), path.join(renamed, 'data/moved'))
    fs.renameSync(path.join(renamed, 'dir_metadata/dir/metadata'), path.join(renamed, 'file_metadata/moved'))
    fs.renameSync(path.join(wanted, 'data/dir'), path.join(wanted, 'data/moved'))
    await humfsify(wanted, options)
    const repair = (directory: string, host: object = {}) =>
      checkHumfs(directory, { repair: true, noSync: true, ...host })
    const { count, chosen } = await callsOf(renamed, repair)
    expect(count).toBeGreaterThan(6)
    const phases = new Set<string | null>()
    for (const crashAt of chosen) {
      const directory = path.join(top, `crash${crashAt}`)
      await copyDirectory(renamed, directory)
      await repair(directory, crashingHost(crashAt, how)).catch((error) => expect(error).toMatchObject({ code: 'EIO' }))
      const { unfinished } = await humfsInfo(directory)
      phases.add(unfinished)
      if (unfinished !== null) {
        await expect(forward(directory)).rejects.toMatchObject({ code: 'HUMFS_UNFINISHED' })
        await expect(back(directory)).rejects.toMatchObject({ code: 'HUMFS_UNFINISHED' })
        expect(await checkHumfs(directory)).toMatchObject({ findings: [{ code: 'unfinished-run', repairable: true }] })
      }
      await repair(directory)
      expect(snapshot(directory), `after a crash at ${crashAt}`).toEqual(snapshot(wanted))
      removeTree(directory)
    }
    // One call that fails is undone, or made up for in the same run.
    expect(phases.has('renaming')).toBe(!('once' in how))
  })
})

describe('a journal of a rename', () => {
  const line = (from: string, to: string) => {
    const paths = { from: Buffer.from(from).toString('base64'), to: Buffer.from(to).toString('base64') }
    return `${JSON.stringify({ umlcow: 'humfs journal 1', verb: 'rename', ...paths })}\n`
  }

  /** A sound tree with a journal that tells of a rename of `dir` to `moved`. */
  async function journalled(change: (at: (...names: string[]) => string) => void = () => {}) {
    const top = scratchDirectory()
    makeSmallTree(top)
    await humfsify(top, options)
    const good = snapshot(top)
    const at = (...names: string[]) => path.join(top, ...names)
    change(at)
    fs.writeFileSync(at('humfs.umlcow-journal'), line('dir', 'moved'))
    return { top, at, good }
  }

  it('that nothing has moved for is dropped: the guest may have taken its rename back', async () => {
    const { top, good } = await journalled()
    const { findings } = await checkHumfs(top, { repair: true, noSync: true })
    expect(findings).toMatchObject([{ code: 'unfinished-run', fixed: true }])
    expect(snapshot(top)).toEqual(good)
  })

  it.each<[string, (at: (...names: string[]) => string) => void]>([
    [
      'both trees are links',
      (at) => {
        for (const tree of ['file_metadata', 'dir_metadata']) {
          fs.renameSync(at(tree), at(`${tree}-away`))
          fs.symlinkSync(at(`${tree}-away`), at(tree))
        }
        fs.renameSync(at('dir_metadata/dir'), at('dir_metadata/moved'))
        fs.renameSync(at('dir_metadata/moved/metadata'), at('file_metadata/moved'))
      },
    ],
    [
      'the new place is a link',
      (at) => {
        fs.renameSync(at('dir_metadata/dir'), at('elsewhere'))
        fs.renameSync(at('elsewhere/metadata'), at('file_metadata/moved'))
        fs.symlinkSync(at('elsewhere'), at('dir_metadata/moved'))
      },
    ],
    ['something is in the way', (at) => fs.mkdirSync(at('file_metadata/moved'))],
  ])('moves nothing where %s', async (_, change) => {
    const { top } = await journalled(change)
    const before = snapshot(top)
    const { findings } = await checkHumfs(top, { repair: true, noSync: true })
    expect(findings).toMatchObject([{ code: 'unfinished-run', fixed: false }])
    expect(findings[0]!.message).toMatch(/remove that file|does not exist or is not a directory/)
    expect(snapshot(top)).toEqual(before)
  })

  it.each([
    ['../../x', 'dir'],
    ['dir', '/etc'],
    ['', 'dir'],
    ['dir', 'a/../../b'],
    ['link/a', 'link/b'],
  ])('moves nothing that leads out of the tree: %s, %s', async (from, to) => {
    const top = scratchDirectory()
    makeSmallTree(top)
    await humfsify(top, options)
    const outside = path.join(top, 'outside')
    fs.mkdirSync(path.join(outside, 'a'), { recursive: true })
    for (const tree of ['file_metadata', 'dir_metadata']) fs.symlinkSync(outside, path.join(top, tree, 'link'))
    fs.writeFileSync(path.join(top, 'humfs.umlcow-journal'), line(from, to))
    const before = snapshot(top)
    const outcome = await checkHumfs(top, { repair: true, noSync: true }).catch((error) => error)
    if (outcome instanceof UmlcowError) expect(outcome.code).toBe('JOURNAL_DAMAGED')
    else expect(outcome.findings).toMatchObject([{ code: 'unfinished-run', fixed: false }])
    expect(snapshot(top)).toEqual(before)
  })
})

describe('old metadata that is removed before the run that moved it aside is finished', () => {
  it.each(['humfsify', 'its reverse'])('does not keep %s from going on', async (what) => {
    const top = scratchDirectory()
    makeSmallTree(top)
    await humfsify(top, options)
    fs.rmSync(path.join(top, 'superblock'))
    const before = snapshot(top)['data/metadata']
    const setMode = () => {
      throw new UmlcowError('EIO', 'made to fail')
    }
    fs.chmodSync(path.join(top, 'data', 'metadata'), 0o4755)
    const forced = { ...options, force: ['exists'] as const }
    await expect(humfsify(top, { ...forced, writer: { ...localTreeWriter, setMode } })).rejects.toThrow('made to fail')
    for (const name of ['file_metadata', 'dir_metadata']) removeTree(path.join(top, `${name}.umlcow-old`))
    if (what === 'humfsify') {
      expect(await humfsify(top, forced)).toMatchObject({ resumed: true, warnings: [] })
      expect(snapshot(top)['data/metadata']).toBe(before)
    } else {
      await restoreHumfs(top, { noSync: true })
      expect(fs.readdirSync(top)).toEqual(['data'])
    }
  })
})

describe('a line of the journal that was cut short', () => {
  it('does not spoil the next one, when the run that wrote it fails, too', async () => {
    const top = scratchDirectory()
    makeSmallTree(top)
    const before = snapshot(top)
    await humfsify(top, options)
    fs.writeFileSync(
      path.join(top, 'humfs.umlcow-journal'),
      '{"umlcow":"humfs journal 1","verb":"restore"}\n{"phase":"rem',
    )
    const rename: TreeWriter['rename'] = (from, to) => {
      if (`${to}`.includes('/gone/')) throw new UmlcowError('EIO', 'made to fail')
      localTreeWriter.rename(from, to)
    }
    const writer = { ...localTreeWriter, rename }
    await expect(restoreHumfs(top, { noSync: true, writer })).rejects.toMatchObject({ code: 'EIO' })
    await restoreHumfs(top, { noSync: true })
    expect(snapshot(top)).toEqual(before)
  })
})

describe('a call that fails once', () => {
  it('leaves humfsify not begun, or to be finished or undone', async () => {
    const scene = await makeScene()
    const { chosen } = await callsOf(scene.plain, forward)
    for (const failAt of chosen) {
      const directory = path.join(scene.top, `fail${failAt}`)
      await copyDirectory(scene.plain, directory)
      const host = crashingHost(failAt, { once: true, code: 'ENOSPC' })
      const failure = await forward(directory, host).catch((error) => error)
      expect(failure).toMatchObject({ code: 'ENOSPC' })
      if (!failure.details?.unfinished) expect(snapshot(directory), `${failAt}`).toEqual(scene.before)
      if (failAt % 2 === 0) await forward(directory)
      else await backOrNothing(directory)
      expect(snapshot(directory), `${failAt}`).toEqual(failAt % 2 === 0 ? scene.after : scene.before)
      removeTree(directory)
    }
  })

  it('leaves all the metadata when the reverse cannot do everything', async () => {
    const scene = await makeScene()
    const { chosen } = await callsOf(scene.done, back)
    for (const failAt of chosen) {
      const directory = path.join(scene.top, `fail${failAt}`)
      await copyDirectory(scene.done, directory)
      await back(directory, crashingHost(failAt, { once: true, code: 'ENOSPC' })).catch(() => {})
      await backOrNothing(directory)
      expect(snapshot(directory), `${failAt}`).toEqual(scene.before)
      removeTree(directory)
    }
  })
})

describe('humfsify as the Perl tool does it, killed at each call', () => {
  it('is undone with the bits that its metadata does not hold', async () => {
    const scene = await makeScene()
    const perl = (directory: string, host: object = {}) => {
      return humfsify(directory, { ...options, ...host, perlCompat: true })
    }
    await crashEach(scene, scene.plain, perl, backOrNothing, scene.before, false)
  })
})

describe('humfsify with new names for directories, killed at each call', () => {
  const rename = (directory: string, host: object = {}) => {
    return humfsify(directory, { ...options, ...host, renameMetadata: '.dir' })
  }
  const names = (directory: string) =>
    ['dir/metadata', 'dir/metadata.dir'].map((name) => path.join(directory, 'data', name))

  async function makeRenameScene(): Promise<Scene> {
    const scene = await makeScene()
    const [old = ''] = names(scene.plain)
    fs.mkdirSync(old)
    fs.writeFileSync(path.join(old, 'below'), 'x')
    const renamed = path.join(scene.top, 'renamed')
    await copyDirectory(scene.plain, renamed)
    const before = snapshot(scene.plain)
    await rename(renamed)
    return { ...scene, before, after: snapshot(renamed) }
  }

  it('is finished by the same command', async () => {
    const scene = await makeRenameScene()
    await crashEach(scene, scene.plain, rename, rename, scene.after, false)
  })

  it('is undone but for the names', async () => {
    const scene = await makeRenameScene()
    const undo = async (directory: string) => {
      await backOrNothing(directory)
      const [old = '', renamed = ''] = names(directory)
      if (!fs.existsSync(old)) fs.renameSync(renamed, old)
    }
    await crashEach(scene, scene.plain, rename, undo, scene.before, false)
  })
})

describe('humfsify that moves metadata aside, killed at each call', () => {
  const force = (directory: string, host: object = {}) =>
    humfsify(directory, { ...options, ...host, force: ['exists'] })

  it('is finished by the same command, or undone', async () => {
    const scene = await makeScene()
    const forced = path.join(scene.top, 'forced')
    await copyDirectory(scene.done, forced)
    await force(forced)
    const after = snapshot(forced)
    await crashEach(scene, scene.done, force, force, after, false)
    // A run that has not come to the trees leaves the first ones, which the reverse then puts back itself.
    const { chosen } = await callsOf(scene.done, force)
    for (const crashAt of chosen) {
      const directory = path.join(scene.top, `undo${crashAt}`)
      await copyDirectory(scene.done, directory)
      await force(directory, crashingHost(crashAt)).catch(() => {})
      const hadBegun = fs.existsSync(path.join(directory, 'humfs.umlcow-journal'))
      await back(directory)
      expect(snapshot(directory), `${crashAt}`).toEqual(hadBegun ? scene.after : scene.before)
      removeTree(directory)
    }
  })
})
