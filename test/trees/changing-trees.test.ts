import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { OpenDirectory } from '../../src/trees/host/open-directory.js'
import { localTreeReader, type TreeReader } from '../../src/trees/host/tree-reader.js'
import { openDirectorySource, readDirectory } from '../../src/trees/kinds/directory/source.js'
import { openHumfsSource } from '../../src/trees/kinds/humfs/source.js'
import type { SourceItem } from '../../src/trees/source/tree-source.js'
import { scratchDirectory } from '../support/humfs-tree.js'
import { humfsScene } from './scenes.js'

interface Scene {
  readonly top: string
  readonly data: (...names: string[]) => string
  readonly secret: string
}

/** A tree, and another one with the same names that nobody may read by way of it. */
function scene(): Scene {
  const top = scratchDirectory()
  const data = (...names: string[]) => path.join(top, 'data', ...names)
  for (const tree of ['data', 'secret']) {
    fs.mkdirSync(path.join(top, tree, 'dir', 'below'), { recursive: true })
    fs.writeFileSync(path.join(top, tree, 'dir', 'file'), tree.repeat(1000))
    fs.writeFileSync(path.join(top, tree, 'dir', 'below', 'file'), tree)
    fs.writeFileSync(path.join(top, tree, 'file'), tree)
  }
  return { top, data, secret: path.join(top, 'secret') }
}

interface Outcome {
  readonly error: { readonly code: string; readonly message: string } | null
  /** All content that was read. */
  readonly content: string
}

/** Reads it all, and does something once the item of that path has come, before its content is read. */
async function readWhile(
  items: AsyncIterable<SourceItem>,
  name: string,
  change: () => void,
  isWhole = false,
): Promise<Outcome> {
  let content = ''
  try {
    for await (const item of items) {
      if (item.entry.path.toString() === name) change()
      if (isWhole) content += Buffer.from(item.content?.whole?.() ?? []).toString('latin1')
      if (isWhole) continue
      for await (const bytes of item.content ?? []) content += Buffer.from(bytes).toString('latin1')
    }
  } catch (error) {
    return { error: error as NonNullable<Outcome['error']>, content }
  }
  return { error: null, content }
}

/** The local trees, and something is done when a directory has been listed. */
function afterListing(name: string, change: () => void): TreeReader {
  const watched = (place: OpenDirectory): OpenDirectory => ({
    ...place,
    *names() {
      yield* place.names()
      change()
    },
  })
  return {
    ...localTreeReader,
    openDirectory(directory) {
      const place = localTreeReader.openDirectory(directory)
      return directory.toString().endsWith(name) ? watched(place) : place
    },
  }
}

describe('a tree that changes while it is read', () => {
  it.each<[string, string, (scene: Scene) => void, RegExp]>([
    ['a file that grows', 'dir/file', ({ data }) => fs.appendFileSync(data('dir', 'file'), 'x'), /written to/],
    ['a file that is cut', 'dir/file', ({ data }) => fs.truncateSync(data('dir', 'file'), 10), /written to/],
    [
      'a file that is written to',
      'dir/file',
      ({ data }) => fs.writeFileSync(data('dir', 'file'), 'DATA'.repeat(1000)),
      /written to/,
    ],
    [
      'another file in its place',
      'dir/file',
      ({ data, secret }) => fs.renameSync(path.join(secret, 'dir/file'), data('dir', 'file')),
      /it is another file/,
    ],
    ['a file that goes', 'dir/file', ({ data }) => fs.rmSync(data('dir', 'file')), /ENOENT/],
    [
      'a link in the place of a file',
      'dir/file',
      ({ data, secret }) => {
        fs.rmSync(data('dir', 'file'))
        fs.symlinkSync(path.join(secret, 'dir', 'file'), data('dir', 'file'))
      },
      /ELOOP/,
    ],
    [
      'a FIFO in the place of a file',
      'dir/file',
      ({ data }) => {
        fs.rmSync(data('dir', 'file'))
        expect(spawnSync('mkfifo', [data('dir', 'file')]).status).toBe(0)
      },
      /it is another file/,
    ],
    [
      'a link in the place of a directory above',
      'dir',
      ({ data, secret }) => {
        fs.renameSync(data('dir'), path.join(secret, 'away'))
        fs.symlinkSync(path.join(secret, 'dir'), data('dir'))
      },
      /data\/dir\/below: changed while it was read: it was moved/,
    ],
    [
      'another tree in the place of a directory above',
      'dir',
      ({ data, secret }) => {
        fs.renameSync(data('dir'), path.join(secret, 'away'))
        fs.renameSync(path.join(secret, 'dir'), data('dir'))
      },
      /data\/dir\/below: changed while it was read: it was moved/,
    ],
    ['a name that appears', 'dir/file', ({ data }) => fs.writeFileSync(data('dir', 'new'), ''), /dir: .* names in it/],
  ])('is an error, and nothing of another tree is read: %s', async (_, name, change, message) => {
    for (const isWhole of [false, true]) {
      const given = scene()
      const { error, content } = await readWhile(readDirectory(given.data()), name, () => change(given), isWhole)
      expect(error?.message).toMatch(message)
      expect(error?.code).toMatch(/^(INPUT_CHANGED|ENOENT|ELOOP)$/)
      expect(content).not.toContain('secret')
      expect(content).not.toContain('DATA')
    }
  })

  it.each<[string, (scene: Scene) => void]>([
    ['a link', ({ data, secret }) => fs.symlinkSync(path.join(secret, 'dir'), data('dir'))],
    ['a file', ({ data }) => fs.writeFileSync(data('dir'), 'secret')],
    ['nothing', () => {}],
  ])('is an error where %s takes the place of a directory before it is opened', async (_, replace) => {
    const given = scene()
    let isDone = false
    const reader: TreeReader = {
      ...localTreeReader,
      openDirectory(directory) {
        if (directory.toString().endsWith('/data/dir') && isSurveyed) {
          fs.renameSync(given.data('dir'), path.join(given.secret, 'away'))
          replace(given)
          isDone = true
        }
        return localTreeReader.openDirectory(directory)
      },
    }
    const source = openDirectorySource(given.data(), { reader })
    let isSurveyed = false
    await source.survey()
    isSurveyed = true
    const { error, content } = await readWhile(source.items(), '', () => {})
    expect(isDone).toBe(true)
    expect(error).toMatchObject({ code: 'INPUT_CHANGED' })
    expect(error?.message).toMatch(/data\/dir: changed while it was read: it is no longer a directory$/)
    expect(content).not.toContain('secret')
  })

  it.each<[string, (file: string) => void, RegExp]>([
    ['cut', (file) => fs.truncateSync(file, 300_000), /it has 300000 bytes, not 400000/],
    ['written to', (file) => fs.appendFileSync(file, 'x'), /it was written to/],
    ['written to, and its time set back,', writeUnseen, /it was changed/],
  ])('is an error where a file is %s in the middle', async (_, change, message) => {
    const { data } = scene()
    fs.writeFileSync(data('dir', 'file'), 'x'.repeat(400_000))
    fs.utimesSync(data('dir', 'file'), 1, 1)
    let seen = 0
    const read = async () => {
      for await (const { content } of readDirectory(data())) {
        for await (const bytes of content ?? []) {
          seen += bytes.length
          if (seen > 200_000 && seen < 300_000) change(data('dir', 'file'))
        }
      }
    }
    await expect(read()).rejects.toMatchObject({ code: 'INPUT_CHANGED', message: expect.stringMatching(message) })
  })

  it('is an error where a small file is written to between its read and the look after it', async () => {
    const { data } = scene()
    const reader: TreeReader = {
      ...localTreeReader,
      openDirectory(directory) {
        const place = localTreeReader.openDirectory(directory)
        const open: OpenDirectory['open'] = (name) => {
          const file = place.open(name)
          const read: typeof file.read = (offset, target) => {
            const got = file.read(offset, target)
            fs.appendFileSync(data('dir', 'file'), 'x')
            return got
          }
          return { ...file, read }
        }
        return { ...place, open }
      },
    }
    const outcome = await readWhile(readDirectory(data('dir'), { reader }), '', () => {}, true)
    expect(outcome.error).toMatchObject({ code: 'INPUT_CHANGED' })
    expect(outcome.error?.message).toMatch(/file: changed while it was read: it was written to$/)
    expect(outcome.content).toBe('')
  })

  it('is an error where a name goes between the list and the look', async () => {
    const { data } = scene()
    const reader: TreeReader = {
      ...localTreeReader,
      openDirectory(directory) {
        const place = localTreeReader.openDirectory(directory)
        return { ...place, lstatOrNull: (name) => (name.toString() === 'below' ? null : place.lstatOrNull(name)) }
      },
    }
    const outcome = await readWhile(readDirectory(data(), { reader }), '', () => {})
    expect(outcome.error).toMatchObject({ code: 'INPUT_CHANGED' })
    expect(outcome.error?.message).toContain('dir/below: changed while it was read: it is gone')
  })

  it('is an error where a name appears behind the list', async () => {
    const { data } = scene()
    let times = 0
    const reader = afterListing('below', () => {
      times++
      fs.writeFileSync(data('dir', 'below', `new${times}`), '')
    })
    await expect(readWhile(readDirectory(data(), { reader }), '', () => {})).resolves.toMatchObject({
      error: { code: 'INPUT_CHANGED' },
    })
  })

  it('leaves nothing open', async () => {
    const open = () => fs.readdirSync('/proc/self/fd').length
    const before = open()
    const { data } = scene()
    await readWhile(readDirectory(data()), 'dir/file', () => fs.truncateSync(data('dir', 'file'), 10))
    const items = readDirectory(data())
    await items.next()
    await items.next()
    await items.return(undefined)
    expect(open()).toBe(before)
  })

  it('is an error when somebody begins to put the metadata back', async () => {
    const { top, at } = await humfsScene()
    const source = openHumfsSource(top)
    await source.survey()
    const journal = '{"umlcow":"humfs journal 1","verb":"restore"}\n'
    const change = () => fs.writeFileSync(at('humfs.umlcow-journal'), journal)
    const outcome = await readWhile(source.items(), 'dir', change)
    expect(outcome.error).toMatchObject({ code: 'HUMFS_UNFINISHED' })
  })

  it('is an error when metadata goes', async () => {
    const { top, at } = await humfsScene()
    const source = openHumfsSource(top)
    await source.survey()
    const change = () => fs.renameSync(at('file_metadata', 'dir'), at('file_metadata', 'other'))
    const outcome = await readWhile(source.items(), 'dir', change)
    expect(outcome.error).toMatchObject({ code: 'HUMFS_DAMAGED' })
    expect(outcome.error?.message).toMatch(/^data\/dir\/.*: has no metadata$/)
  })
})

/** Only the ctime tells of it. */
function writeUnseen(file: string): void {
  fs.writeFileSync(file, 'y', { flag: 'r+' })
  fs.utimesSync(file, 1, 1)
}
