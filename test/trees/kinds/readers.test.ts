import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { latin1Text } from '../../../src/bytes/fast.js'
import { Gatherer } from '../../../src/bytes/gather.js'
import { fakerootRecord, writeFakeroot } from '../../../src/formats/fakeroot/index.js'
import type { ManifestItem } from '../../../src/formats/manifest/index.js'
import { writeMtree } from '../../../src/formats/mtree/index.js'
import type { SquashfsReadOptions } from '../../../src/formats/squashfs-pseudo/index.js'
import { writeHeader } from '../../../src/formats/tar/write-header.js'
import { localTreeReader, type TreeReader } from '../../../src/trees/host/tree-reader.js'
import { localTreeWriter, type TreeWriter } from '../../../src/trees/host/tree-writer.js'
import { readSquashfsTree } from '../../../src/trees/kinds/squashfs/source.js'
import { type StreamFormat, streamKinds } from '../../../src/trees/kinds/table.js'
import { ContentTree } from '../../../src/trees/source/content-tree.js'
import { importHumfs } from '../../../src/trees/transfer/import-humfs.js'
import { expectHardened } from '../../support/archive-trials.js'
import { scratchDirectory, snapshot } from '../../support/humfs-tree.js'
import { asyncOf, bytesOf, collect, cut, entry, itemsOf, readAll } from '../../support/manifest-entries.js'
import { placeFor } from '../../support/new-tree.js'

type Tried = (source: AsyncIterable<Uint8Array>, tree: ContentTree, options: object) => AsyncIterable<ManifestItem>

const read = (
  format: 'mtree' | 'fakeroot' | 'squashfs',
  text: string | Buffer,
  tree: string,
  options: SquashfsReadOptions = {},
) => {
  const reader: { read: Tried } = streamKinds[format].source
  const bytes = typeof text === 'string' ? bytesOf(text) : text
  const warnings: string[] = []
  const onWarning = (message: string) => warnings.push(message)
  const items = readAll(reader.read(cut(bytes, 7), new ContentTree(tree), { name: 'x', onWarning, ...options }))
  return items.then((all) => ({
    warnings,
    all: Object.fromEntries(
      all.map((one) => [latin1Text(one.entry.path), { ...one.entry, content: one.content?.toString() }]),
    ),
  }))
}

/** A tree with links that lead out of it, beside something that nobody may read. */
function makeTree(): { top: string; tree: string } {
  const top = scratchDirectory()
  const tree = path.join(top, 'tree')
  fs.mkdirSync(path.join(tree, 'dir'), { recursive: true })
  fs.mkdirSync(path.join(top, 'outside'))
  fs.writeFileSync(path.join(top, 'outside/secret'), 'secret')
  fs.writeFileSync(path.join(tree, 'dir/f'), 'content')
  fs.writeFileSync(path.join(tree, 'empty'), '')
  fs.symlinkSync('../outside', path.join(tree, 'out'))
  fs.symlinkSync('../outside/secret', path.join(tree, 'secret'))
  return { top, tree }
}

describe('mtree text and its tree', () => {
  const line = (name: string, more: string) => `#mtree\n./${name} mode=644 uid=5 gid=6 ${more}\n`

  it('give entries with the content of the tree', async () => {
    const { tree } = makeTree()
    const { all } = await read('mtree', `${line('dir/f', 'type=file')}./d type=dir mode=755 uid=0 gid=0\n`, tree)
    expect(all).toMatchObject({ 'dir/f': { uid: 5, size: 7, content: 'content' }, d: { type: 'directory' } })
  })

  it.each([
    ['a file behind a link', 'out/secret', 'UNSAFE_PATH'],
    ['a link', 'secret', 'ENTRY_UNFIT'],
    ['a directory', 'dir', 'ENTRY_UNFIT'],
    ['nothing', 'missing', 'ENTRY_UNFIT'],
    ['what is above', '../outside/secret', 'UNSAFE_PATH'],
  ])('are refused where the tree has %s', async (_, name, code) => {
    const { tree } = makeTree()
    await expect(read('mtree', line(name, 'type=file'), tree)).rejects.toMatchObject({ code })
  })

  it.each([8, 0])('are refused when the size is another: %i', async (size) => {
    const { top, tree } = makeTree()
    const text = path.join(top, 'text')
    fs.writeFileSync(text, line('dir/f', `type=file size=${size}`))
    const run = importHumfs(text, path.join(top, 'made'), { from: 'mtree', tree, noSync: true })
    await expect(run).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    expect(fs.readdirSync(top).sort()).toEqual(['outside', 'text', 'tree'])
  })

  it('are refused when a file is written to while it is read', async () => {
    const { tree } = makeTree()
    const file = path.join(tree, 'dir/f')
    fs.utimesSync(file, 1, 1)
    const content = new ContentTree(tree).file(bytesOf('dir/f')).content
    const reading = async () => {
      for await (const _ of content) fs.writeFileSync(file, 'CONTENT')
    }
    await expect(reading()).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
  })

  it('are refused when a file is written to while it is read, and its time set back', async () => {
    const { tree } = makeTree()
    const file = path.join(tree, 'dir/f')
    fs.utimesSync(file, 1, 1)
    const { size } = fs.statSync(file)
    const reading = async () => {
      for await (const _ of new ContentTree(tree).file(bytesOf('dir/f')).content) {
        fs.writeFileSync(file, 'C'.repeat(size))
        fs.utimesSync(file, 1, 1)
      }
    }
    await expect(reading()).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
  })

  it('do not lead out when a directory becomes a link meanwhile', async () => {
    const { top, tree } = makeTree()
    fs.writeFileSync(path.join(top, 'outside/f'), 'secret')
    const content = new ContentTree(tree).file(bytesOf('dir/f')).content
    fs.renameSync(path.join(tree, 'dir'), path.join(top, 'moved'))
    fs.symlinkSync('../moved', path.join(tree, 'dir'))
    await expect(collect(content)).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
  })
})

describe('a save file of fakeroot and its tree', () => {
  const identity = (file: string) => {
    const { dev, ino, nlink } = fs.lstatSync(file, { bigint: true })
    return { dev, ino, nlink: Number(nlink) }
  }

  it('give entries as they are within fakeroot', async () => {
    const { tree } = makeTree()
    fs.linkSync(path.join(tree, 'dir/f'), path.join(tree, 'g'))
    const records = [
      fakerootRecord(entry('f', { mode: 0o4755, uid: 3_000_000_000 }), identity(path.join(tree, 'dir/f'))),
      fakerootRecord(
        entry('empty', { type: 'block', device: { major: 300, minor: 3000 } }),
        identity(path.join(tree, 'empty')),
      ),
    ]
    const { all } = await read('fakeroot', await collect(writeFakeroot(asyncOf(records))), tree)
    expect(all['empty']).toMatchObject({
      type: 'block',
      device: { major: 300, minor: 3000 },
      size: 0,
      content: undefined,
    })
    const [first, further] = [all['dir/f']!, all['g']!].sort((a) => (a.hardLinkTo === null ? -1 : 1))
    expect(first).toMatchObject({ uid: 3_000_000_000, mode: 0o4755, content: 'content' })
    expect(further).toMatchObject({ uid: 3_000_000_000, hardLinkTo: first!.path })
  })

  it('give the files that fakeroot does not know to root, as fakeroot does', async () => {
    const { tree } = makeTree()
    fs.chmodSync(path.join(tree, 'dir/f'), 0o4640)
    fs.chownSync(path.join(tree, 'dir/f'), process.getuid!() === 0 ? 1234 : process.getuid!(), process.getgid!())
    const records = [fakerootRecord(entry('empty', { uid: 5 }), identity(path.join(tree, 'empty')))]
    const { all } = await read('fakeroot', await collect(writeFakeroot(asyncOf(records))), tree)
    expect(all['dir/f']).toMatchObject({ uid: 0, gid: 0, mode: fs.lstatSync(path.join(tree, 'dir/f')).mode & 0o7777 })
    expect(all['empty']).toMatchObject({ uid: 5 })
  })

  it('are refused when two lines disagree on a file', async () => {
    const { tree } = makeTree()
    const own = identity(path.join(tree, 'empty'))
    const of = async (...entries: Parameters<typeof fakerootRecord>[0][]) =>
      read('fakeroot', await collect(writeFakeroot(asyncOf(entries.map((one) => fakerootRecord(one, own))))), tree)
    const first = entry('empty', { uid: 5 })
    expect((await of(first, first)).all['empty']).toMatchObject({ uid: 5 })
    await expect(of(first, first, entry('empty', { uid: 6 }))).rejects.toMatchObject({
      code: 'BAD_ARCHIVE',
      message: `x: lines 1 and 3 disagree on the file dev=${own.dev.toString(16)},ino=${own.ino}`,
    })
  })

  it('are refused when they do not belong together', async () => {
    const { tree } = makeTree()
    const of = async (...records: Parameters<typeof fakerootRecord>[]) =>
      read('fakeroot', await collect(writeFakeroot(asyncOf(records.map((one) => fakerootRecord(...one))))), tree)
    const elsewhere = { dev: 1n, ino: 1n, nlink: 1 }
    await expect(of([entry('f'), elsewhere])).rejects.toMatchObject({ code: 'BAD_ARCHIVE' })
    const directory = entry('f', { type: 'directory' })
    await expect(of([directory, identity(path.join(tree, 'empty'))])).rejects.toMatchObject({ code: 'BAD_ARCHIVE' })
  })
})

describe('a pseudo file of mksquashfs and its tree', () => {
  it('give what mksquashfs packs', async () => {
    const { tree } = makeTree()
    const text = 'dir/f m 4711 5 6\nnode c 600 0 0 1 3\nempty d 700 1 1\nnowhere m 644 0 0\nl s 644 0 0 a b\n'
    const { all, warnings } = await read('squashfs', text, tree)
    expect(all['dir/f']).toMatchObject({ mode: 0o4711, uid: 5, content: 'content' })
    expect(all['node']).toMatchObject({ type: 'character', device: { major: 1, minor: 3 } })
    expect(all['empty']).toMatchObject({ type: 'file' })
    expect(all['l']).toMatchObject({ type: 'symlink', mode: 0o777 })
    expect(warnings).toEqual(['empty: is in the tree: left as it is', 'nowhere: is not in the tree: nothing to change'])
  })

  /** A tree with two names of a file, and of a link. */
  function makeLinkedTree(): string {
    const { tree } = makeTree()
    fs.linkSync(path.join(tree, 'dir/f'), path.join(tree, 'dir/g'))
    fs.linkSync(path.join(tree, 'dir/f'), path.join(tree, 'h'))
    fs.linkSync(path.join(tree, 'secret'), path.join(tree, 'dir/secret'))
    return tree
  }

  it.each(['dir/f', 'dir/g', 'h'])('change a file with hard links when only its name %s is defined', async (name) => {
    const { all, warnings } = await read('squashfs', `${name} M 9 4711 5 6\n`, makeLinkedTree())
    for (const one of ['dir/f', 'dir/g', 'h']) {
      expect(all[one]).toMatchObject({ mode: 0o4711, uid: 5, gid: 6, mtimeNs: 9_000_000_000n })
    }
    expect(['dir/f', 'dir/g', 'h'].filter((one) => all[one]!.hardLinkTo === null)).toHaveLength(1)
    expect(warnings).toEqual([])
  })

  it('are refused when the names of a file are defined differently', async () => {
    const tree = makeLinkedTree()
    await expect(read('squashfs', 'h m 600 5 6\n./dir//g m 640 5 6\n', tree)).rejects.toMatchObject({
      code: 'BAD_ARCHIVE',
      message: 'x: h and dir/g are one file, and lines 1 and 2 disagree',
    })
    await expect(read('squashfs', 'h M 1 600 5 6\ndir/g M 2 600 5 6\n', tree)).rejects.toMatchObject({
      code: 'BAD_ARCHIVE',
    })
    const { all } = await read('squashfs', 'h m 600 5 6\ndir/g M 2 600 5 6\ndir/secret m 777 8 9\n', tree)
    expect(all['dir/f']).toMatchObject({ mode: 0o600, mtimeNs: 2_000_000_000n })
    expect(all['secret']).toMatchObject({ uid: 8, type: 'symlink' })
  })

  it('change no file through a link of the tree, and none with a name that is too long', async () => {
    const tree = makeLinkedTree()
    // A name of a file of the tree that only a link leads to.
    fs.linkSync(path.join(tree, 'h'), path.join(tree, '../outside/h'))
    const long = 'n'.repeat(300)
    const text = `out/h m 600 5 6\nempty/h m 600 5 6\n${long} m 600 5 6\n`
    const { all, warnings } = await read('squashfs', text, tree)
    expect(all['h']).toMatchObject({ uid: fs.lstatSync(path.join(tree, 'h')).uid })
    expect(warnings.map((warning) => warning.slice(-37))).toEqual(
      Array(3).fill('is not in the tree: nothing to change'),
    )
  })

  it('warn of definitions that do not count, and of extended attributes', async () => {
    const text = 'dir/f m 600 5 6\ndir/f m 640 7 8\nempty L dir/n\ndir/f x user.a=b\n'
    const { all, warnings } = await read('squashfs', `dir/n c 600 0 0 1 3\n${text}`, makeTree().tree)
    expect(all['dir/f']).toMatchObject({ mode: 0o600 })
    expect(all['empty']).toMatchObject({ type: 'file' })
    expect(warnings).toEqual([
      'dir/f: line 3 defines it again: umlcow takes the first line',
      'dir/f: umlcow does not keep its extended attribute user.a',
      'empty: is in the tree: left as it is',
    ])
  })

  it('look up owners by name, each name once', async () => {
    const text = 'dir/f m 600 root root\nempty m 600 root 5\n'
    expect((await read('squashfs', text, makeTree().tree)).all['dir/f']).toMatchObject({ uid: 0, gid: 0 })
    const unknown = { lookUpOwner: async () => null }
    await expect(read('squashfs', text, makeTree().tree, unknown)).rejects.toMatchObject({ code: 'UNKNOWN_USER' })
  })
})

describe('a pseudo file as unsquashfs writes it', () => {
  const marker = '#\n# START OF DATA - DO NOT MODIFY\n#\n'
  const readAlone = async (text: string) => {
    const warnings: string[] = []
    const options = { name: 'x', onWarning: (message: string) => warnings.push(message), lookUpOwner: async () => null }
    const items = await readAll(readSquashfsTree(cut(bytesOf(text), 7), null, options))
    return { warnings, names: items.map(({ entry }) => latin1Text(entry.path)), items }
  }

  it('needs no tree', async () => {
    const lines =
      'd/a R 5 644 1 2 3 4\nd/n C 5 600 0 0 1 3\nb R 5 600 0 0 4 0\ne R 5 600 0 0 0 7\nd D 6 700 3 4\n/ D 7 751 7 8\n'
    const { items, names, warnings } = await readAlone(`${lines}c L d/a\nd/c L c\nd/m L d/n\n${marker}four123 more`)
    // Directories first, and the files in the order of their data.
    expect(names).toEqual(['', 'd', 'd/n', 'b', 'd/a', 'e', 'c', 'd/c', 'd/m'])
    expect(items.map(({ content }) => content?.toString() ?? null).slice(3, 7)).toEqual(['four', '123', '', null])
    expect(items[0]!.entry).toMatchObject({ type: 'directory', mode: 0o751, mtimeNs: 7_000_000_000n })
    expect(items[7]!.entry).toMatchObject({ hardLinkTo: bytesOf('d/a'), size: 3, uid: 1, gid: 2 })
    expect(items[8]!.entry).toMatchObject({ hardLinkTo: bytesOf('d/n'), type: 'character' })
    expect(warnings).toEqual([])
  })

  it.each([
    ['no top', 'a D 1 755 0 0\n', 'USAGE'],
    ['a top that is no directory', '/ m 755 0 0\n', 'USAGE'],
    ['files that share data', `/ D 1 755 0 0\na R 1 644 0 0 2 0\nb R 1 644 0 0 2 1\n${marker}abc`, 'ARCHIVE_FEATURE'],
    ['data that ends early', `/ D 1 755 0 0\na R 1 644 0 0 2 0\nb R 1 644 0 0 2 2\n${marker}abc`, 'TRUNCATED_ARCHIVE'],
    ['data that never starts', `/ D 1 755 0 0\na R 1 644 0 0 2 9\n${marker}abc`, 'TRUNCATED_ARCHIVE'],
    ['a link before its name', '/ D 1 755 0 0\na L b\nb I 1 644 0 0 f\n', 'BAD_ARCHIVE'],
    ['a link to a directory', '/ D 1 755 0 0\na L /\n', 'BAD_ARCHIVE'],
    ['a link to itself', '/ D 1 755 0 0\na L a\n', 'BAD_ARCHIVE'],
  ])('is refused with %s', async (_, text, code) => {
    await expect(readAlone(text)).rejects.toMatchObject({ code })
  })

  it('adds to a tree, and leaves its names as they are', async () => {
    const lines = 'empty R 1 600 5 6 3 0\na L empty\nb L a\n'
    const { all, warnings } = await read('squashfs', `${lines}${marker}new`, makeTree().tree)
    expect(warnings).toEqual(['empty: is in the tree: left as it is'])
    expect(all['empty']).toMatchObject({ content: '', size: 0 })
    // As mksquashfs does, the links have the file that the pseudo file would have made.
    expect(all['a']).toMatchObject({ content: 'new', size: 3, hardLinkTo: null })
    expect(all['b']).toMatchObject({ hardLinkTo: bytesOf('a') })
  })
})

describe('hostile input', () => {
  const sources: Record<string, (tree: string) => Promise<Buffer>> = {
    mtree: () => collect(writeMtree(asyncOf([entry('', { type: 'directory' }), entry('dir/f', { size: 7 })]))),
    fakeroot: async (tree) => {
      const { dev, ino } = fs.lstatSync(path.join(tree, 'dir/f'), { bigint: true })
      return collect(writeFakeroot(asyncOf([fakerootRecord(entry('f'), { dev, ino, nlink: 1 })])))
    },
    squashfs: async () =>
      bytesOf(
        'dir/f m 4711 5 6\nnode c 600 0 0 1 3\nl s 644 0 0 a b\nr R 1 600 0 0 4 0\nq R 1 600 0 0 4 4\nk L r\n' +
          '# START OF DATA - DO NOT MODIFY\n#\nfour more',
      ),
  }

  it.each(Object.keys(sources))('of %s gives a coded error or is read, within the tree', async (format) => {
    const { tree } = makeTree()
    const archive = await sources[format]!(tree)
    const reader: { read: Tried } = streamKinds[format as 'mtree'].source
    const trial = (source: AsyncIterable<Uint8Array>) =>
      readAll(reader.read(source, new ContentTree(tree), { lookUpOwner: async () => null }))
    const counts = await expectHardened(trial, archive, 200)
    expect(counts.size).toBeGreaterThan(1)
  })
})

describe('an import', () => {
  const tar = () => collect(streamTar())
  async function* streamTar() {
    const { writeTar } = await import('../../../src/formats/tar/index.js')
    yield* writeTar(itemsOf([entry('', { type: 'directory' }), entry('d/f', { size: 3000 }), entry('g', { size: 10 })]))
  }
  const run = (input: Parameters<typeof importHumfs>[0], directory: string, more: object = {}) =>
    importHumfs(input, directory, { from: 'tar' as StreamFormat, noSync: true, ...more })

  it('of a stream that is cut short anywhere makes nothing', async () => {
    const whole = await tar()
    const place = placeFor(scratchDirectory())
    for (let length = 0; length < whole.length - 1024; length += 211) {
      const input = { name: 'pipe', bytes: cut(whole.subarray(0, length), 100) }
      await expect(run(input, place.directory), `${length}`).rejects.toMatchObject({
        code: expect.stringMatching(/^(TRUNCATED_ARCHIVE|NOT_ARCHIVE)$/),
      })
      place.expectNothing()
    }
  })

  it('of what an earlier run has left is refused, for it is removed', async () => {
    const top = scratchDirectory()
    const work = path.join(top, '.umlcow-new-made')
    fs.mkdirSync(path.join(work, 'tree'), { recursive: true, mode: 0o700 })
    const draft = path.join(work, 'draft')
    fs.writeFileSync(draft, await tar())
    const made = path.join(top, 'made')
    await expect(run(draft, made)).rejects.toMatchObject({ code: 'TARGET_KIND' })
    const text = path.join(top, 'text')
    fs.writeFileSync(text, '#mtree\n. type=dir mode=755 uid=0 gid=0\n')
    const options = { from: 'mtree', tree: path.join(work, 'tree') }
    await expect(run(text, made, options)).rejects.toMatchObject({ code: 'TARGET_KIND' })
    expect(fs.readdirSync(work).sort()).toEqual(['draft', 'tree'])
  })

  it('of a file that is written to while it is read makes nothing', async () => {
    const top = scratchDirectory()
    const file = path.join(top, 'x.tar')
    fs.writeFileSync(file, Buffer.concat([await tar(), Buffer.alloc(2 ** 20)]))
    const place = placeFor(path.join(top, 'out'))
    fs.utimesSync(file, 1, 1)
    const createFile: TreeWriter['createFile'] = (made, mode) => {
      fs.utimesSync(file, 2, 2)
      return localTreeWriter.createFile(made, mode)
    }
    const writer = { ...localTreeWriter, createFile }
    await expect(run(file, place.directory, { writer })).rejects.toMatchObject({ code: 'INPUT_CHANGED' })
    place.expectNothing()
  })

  it('of an archive with a large file reads only its headers in a dry run', async () => {
    const file = path.join(scratchDirectory(), 'x.tar')
    const size = 2 ** 32
    const headerOf = (name: string, size: number) => {
      const out = new Gatherer()
      writeHeader(out, entry(name, { size }))
      return Buffer.concat(out.takeAll())
    }
    const descriptor = fs.openSync(file, 'w')
    fs.writeSync(descriptor, headerOf('large', size), 0, 512, 0)
    fs.writeSync(descriptor, headerOf('last', 0), 0, 512, 512 + size)
    fs.ftruncateSync(descriptor, 512 + size + 512 + 1024)
    let seen = 0
    const streamInput: TreeReader['streamInput'] = (name) => {
      const { isRepeatable, read } = localTreeReader.streamInput(name)
      const counted = () => {
        const source = read()
        const pieces = async function* () {
          for await (const bytes of source) {
            seen += bytes.length
            yield bytes
          }
        }
        return { [Symbol.asyncIterator]: pieces, skip: (length: number) => source.skip?.(length) ?? 0 }
      }
      return { isRepeatable, read: counted }
    }
    const reader = { ...localTreeReader, streamInput }
    expect(await importHumfs(file, null, { from: 'tar', dryRun: true, reader })).toMatchObject({ entries: 3 })
    expect(seen).toBeLessThan(2 ** 20)
    fs.ftruncateSync(descriptor, size)
    fs.closeSync(descriptor)
    await expect(importHumfs(file, null, { from: 'tar', dryRun: true, reader })).rejects.toMatchObject({
      code: 'TRUNCATED_ARCHIVE',
    })
  })

  it('gives files their modes under any umask', async () => {
    for (const umask of [0, 0o022, 0o077, 0o777]) {
      const top = scratchDirectory()
      const input = { name: 'pipe', bytes: cut(await tar(), 1000) }
      const reader = { ...localTreeReader, user: () => ({ ...localTreeReader.user(), umask }) }
      await run(input, path.join(top, 'made'), { reader })
      const modeOf = (name: string) => fs.statSync(path.join(top, 'made', name)).mode & 0o777
      expect(['data/g', 'data/d/f', 'file_metadata/g'].map(modeOf)).toEqual([0o644, 0o644, 0o644])
    }
  })

  it('of a file and of a stream are the same, and a dry run makes nothing', async () => {
    const top = scratchDirectory()
    const file = path.join(top, 'x.tar')
    fs.writeFileSync(file, await tar())
    const made = path.join(top, 'made')
    expect(await run(file, made, { dryRun: true })).toMatchObject({ entries: 4, used: null, dryRun: true })
    expect(fs.readdirSync(top)).toEqual(['x.tar'])
    const first = await run(file, made)
    const second = await run({ name: file, bytes: cut(await tar(), 999) }, `${made}2`)
    expect({ ...second, directory: made }).toEqual({ ...first, directory: made })
    fs.mkdirSync(path.join(top, 'a'))
    fs.mkdirSync(path.join(top, 'b'))
    fs.renameSync(made, path.join(top, 'a/x'))
    fs.renameSync(`${made}2`, path.join(top, 'b/x'))
    expect(snapshot(path.join(top, 'a'))).toEqual(snapshot(path.join(top, 'b')))
  })

  it('of changed archives gives a coded error or a tree, and nothing beside it', async () => {
    const top = scratchDirectory()
    let made = 0
    await expectHardened(
      async (source) => {
        const directory = path.join(top, 'made')
        try {
          await run({ name: 'x', bytes: source }, directory)
          fs.renameSync(directory, path.join(top, `good${made++}`))
        } finally {
          expect(fs.readdirSync(top).every((name) => name.startsWith('good'))).toBe(true)
        }
      },
      await tar(),
      150,
    )
    expect(made).toBeGreaterThan(0)
  })

  it('stops although nothing comes', async () => {
    const place = placeFor(scratchDirectory())
    const stop = new AbortController()
    const silent: AsyncIterable<Uint8Array> = {
      async *[Symbol.asyncIterator]() {
        yield (await tar()).subarray(0, 600)
        setTimeout(() => stop.abort(), 20)
        await new Promise(() => {})
      },
    }
    const outcome = run({ name: 'pipe', bytes: silent }, place.directory, { signal: stop.signal })
    await expect(outcome).rejects.toMatchObject({ code: 'INTERRUPTED' })
    place.expectNothing()
  })

  it('is refused where it would be read, too, and what is no input', async () => {
    const { top, tree } = makeTree()
    const text = path.join(top, 'text')
    fs.writeFileSync(text, '#mtree\n. type=dir mode=755 uid=0 gid=0\n')
    const options = { from: 'mtree' as StreamFormat }
    await expect(run(text, path.join(tree, 'new'), { ...options, tree })).rejects.toMatchObject({ code: 'TARGET_KIND' })
    await expect(run(text, path.join(top, 'new'), { ...options, tree: text })).rejects.toMatchObject({
      code: 'ENOTDIR',
    })
    await expect(run(text, path.join(top, 'new'), options)).rejects.toMatchObject({ code: 'USAGE' })
    await expect(run(tree, path.join(top, 'new'))).rejects.toMatchObject({ code: 'NOT_A_FILE' })
    await expect(run(path.join(top, 'no'), path.join(top, 'new'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(fs.readdirSync(tree).sort()).toEqual(['dir', 'empty', 'out', 'secret'])
  })
})
