import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type CopyOptions, copyFiles, copySparse, info } from '../../../src/index.js'
import { type HostFiles, localHostFiles } from '../../../src/machine/host-files.js'
import { namesIn, pairMtime, setMtime, writeOverlay } from '../../cli/scene.js'
import { temporaryDirectory } from '../../support/paths.js'

const virtualSize = 64 * 512
const files: HostFiles = { ...localHostFiles, reflink: async () => false }
const quick: CopyOptions = { noSync: true, files }

/** Directories with an overlay and its backing file, and places for copies. */
function makeTree(headerPath = 'root_fs') {
  const top = temporaryDirectory()
  const file = (name: string) => path.join(top, name)
  for (const name of ['from', 'to', 'to/deep', 'elsewhere']) mkdirSync(file(name))
  writeFileSync(file('from/root_fs'), Buffer.alloc(virtualSize, 'backing '))
  setMtime(file('from/root_fs'))
  writeOverlay(file('from/cow'), {
    virtualSize,
    backing: headerPath,
    sectors: new Map([[3, Buffer.alloc(512, 'overlay ')]]),
  })
  return { top, file, cow: file('from/cow'), backing: file('from/root_fs') }
}

/** `process.chdir` does not work in threads: the host's look-up of relative paths starts at `directory` instead. */
function inDirectory(directory: string): HostFiles {
  const at = (name: string | Buffer) => (path.isAbsolute(String(name)) ? name : path.join(directory, String(name)))
  return {
    ...files,
    stat: (name) => files.stat(at(name)),
    lstatOrNull: (name) => files.lstatOrNull(at(name)),
    realPath: (name) => files.realPath(at(name)),
    open: (name, ...rest) => files.open(at(name), ...rest),
    names: (name) => files.names(at(name)),
    link: (a, b) => files.link(at(a), at(b)),
    unlink: (name) => files.unlink(at(name)),
    rename: (a, b) => files.rename(at(a), at(b)),
    syncDirectory: (name) => files.syncDirectory(at(name)),
  }
}

async function expectFits(copy: string, backing: string, options: { files?: HostFiles } = {}): Promise<void> {
  const { overlay } = await info(copy, options)
  expect(overlay?.backing, copy).toMatchObject({ findings: [] })
  expect(Number(overlay?.backing?.located?.facts.inode)).toBe(statSync(backing).ino)
}

const storedPath = (copy: string) => {
  const bytes = readFileSync(copy).subarray(32, 32 + 4096)
  return bytes.toString('latin1', 0, bytes.indexOf(0))
}

afterEach(() => vi.restoreAllMocks())

describe('a copy of an overlay', () => {
  const cases: readonly { header: string; target: string; stored: string }[] = [
    { header: 'root_fs', target: 'from/copy', stored: 'root_fs' },
    { header: './root_fs', target: 'from/copy', stored: './root_fs' },
    { header: 'root_fs', target: 'to/copy', stored: '../from/root_fs' },
    { header: './root_fs', target: 'to/deep/copy', stored: '../../from/root_fs' },
    { header: '../from/root_fs', target: 'to/copy', stored: '../from/root_fs' },
    { header: '../from/root_fs', target: 'copy', stored: 'from/root_fs' },
  ]
  it.each(cases)('in $target leads from $header to its backing file by $stored', async (one) => {
    const { file, cow, backing } = makeTree(one.header)
    const before = readFileSync(cow)
    const result = await copySparse(cow, file(one.target), quick)
    expect(result).toMatchObject({
      format: 'cow',
      pathChanged: one.stored !== one.header,
      backingPath: Buffer.from(one.stored),
      warnings: [],
    })
    expect(storedPath(file(one.target))).toBe(one.stored)
    // Nothing but the path has changed.
    const after = readFileSync(file(one.target))
    after.fill(0, 32, 4128)
    expect(after.equals(Buffer.from(before).fill(0, 32, 4128))).toBe(true)
    await expectFits(file(one.target), backing)
  })

  it('keeps an absolute path, and any path with keepPath or of a missing backing file', async () => {
    const absolute = makeTree()
    writeOverlay(absolute.cow, { virtualSize, backing: absolute.backing })
    expect(await copySparse(absolute.cow, absolute.file('to'), quick)).toMatchObject({ pathChanged: false })
    expect(storedPath(absolute.file('to/cow'))).toBe(absolute.backing)

    const { cow, file, backing } = makeTree()
    expect(await copySparse(cow, file('to/a'), { ...quick, keepPath: true })).toMatchObject({ pathChanged: false })
    renameSync(backing, file('gone'))
    const orphan = await copySparse(cow, file('to/b'), quick)
    expect(orphan).toMatchObject({ pathChanged: false, warnings: [expect.stringMatching(/does not exist/)] })
    for (const name of ['to/a', 'to/b']) expect(readFileSync(file(name)).equals(readFileSync(cow))).toBe(true)
  })

  it('through links leads from where the copy really is', async () => {
    const { top, cow, file, backing } = makeTree()
    mkdirSync(file('far/away/place'), { recursive: true })
    symlinkSync(file('far/away/place'), file('link'))
    await copySparse(cow, file('link/copy'), quick)
    expect(storedPath(file('link/copy'))).toBe('../../../from/root_fs')
    await expectFits(file('far/away/place/copy'), backing)
    expect(namesIn(top)).toEqual(['elsewhere', 'far', 'from', 'link', 'to'])
  })

  it('keeps a path that leads there from the current directory only, as the kernel reads it', async () => {
    const { cow, file, backing } = makeTree('from/root_fs')
    // From the directory above.
    const here = { ...quick, files: inDirectory(file('')) }
    expect(await copySparse(cow, file('to/copy'), here)).toMatchObject({ pathChanged: false, warnings: [] })
    await expectFits(file('to/copy'), backing, here)
    // Where another file has that name beside the copy, the path must change.
    mkdirSync(file('to/deep/from'))
    copyFileSync(backing, file('to/deep/from/root_fs'))
    expect(await copySparse(cow, file('to/deep/copy'), here)).toMatchObject({ pathChanged: true })
    await expectFits(file('to/deep/copy'), backing, here)
  })

  it('gets an absolute path where the relative one would mean another file in the current directory', async () => {
    const { cow, file, backing } = makeTree()
    // From elsewhere/x, the path ../from/root_fs of a copy in to/ is another file.
    mkdirSync(file('elsewhere/x'))
    mkdirSync(file('elsewhere/from'))
    writeFileSync(file('elsewhere/from/root_fs'), 'another')
    const there = { ...quick, files: inDirectory(file('elsewhere/x')) }
    const result = await copySparse(cow, file('to/copy'), there)
    expect(result).toMatchObject({ pathChanged: true, warnings: [expect.stringMatching(/gets the absolute path/)] })
    expect(storedPath(file('to/copy'))).toBe(backing)
    await expectFits(file('to/copy'), backing, there)
  })

  it('is refused where the path of the original is ambiguous', async () => {
    const { cow, file } = makeTree()
    writeFileSync(file('elsewhere/root_fs'), 'another')
    const there = { ...quick, files: inDirectory(file('elsewhere')) }
    await expect(copySparse(cow, file('to/copy'), there)).rejects.toMatchObject({
      code: 'BACKING_AMBIGUOUS',
      hint: expect.stringContaining('--keep-path'),
    })
    expect(await copySparse(cow, file('to/copy'), { ...there, keepPath: true })).toMatchObject({ pathChanged: false })
  })

  it('is refused where the new path does not fit into the header', async () => {
    const { file } = makeTree()
    // Short beside the overlay, and longer than version 1 takes from anywhere else.
    const deep = path.join(file('from'), 'n'.repeat(200), 'n'.repeat(200))
    mkdirSync(deep, { recursive: true })
    writeFileSync(path.join(deep, 'root_fs'), 'x')
    const header = Buffer.alloc(1536)
    header.writeUInt32LE(0x4f4f4f4d, 0)
    header.writeUInt32LE(1, 4)
    header.write('root_fs', 8)
    header.writeBigUInt64LE(512n, 268)
    header.writeUInt32LE(512, 276)
    writeFileSync(path.join(deep, 'cow'), header)
    await expect(copySparse(path.join(deep, 'cow'), file('to/copy'), quick)).rejects.toMatchObject({
      code: 'PATH_TOO_LONG',
    })
    expect(namesIn(file('to'))).toEqual(['deep'])
  })

  it('that is damaged is copied as it is, with a warning', async () => {
    const { cow, file } = makeTree()
    const bytes = readFileSync(cow)
    bytes.writeUInt32BE(9, 4)
    writeFileSync(cow, bytes)
    const result = await copySparse(cow, file('to/copy'), quick)
    expect(result.warnings).toEqual([expect.stringMatching(/version.*copies the file as it is/)])
    expect(readFileSync(file('to/copy')).equals(bytes)).toBe(true)
    truncateSync(cow, 100)
    expect((await copySparse(cow, file('to/short'), quick)).warnings).toHaveLength(1)
  })
})

describe('the bond of mtimes', () => {
  it('is kept with preserve; without, a warning names an overlay that does not fit the copy', async () => {
    const { cow, backing, file } = makeTree()
    const loose = await copySparse(backing, file('to/loose'), quick)
    expect(loose.warnings).toEqual([expect.stringMatching(/is the backing file of .*\/cow; .*-p keeps the time/)])
    const kept = await copySparse(backing, file('to/kept'), { ...quick, preserve: true })
    expect(kept).toMatchObject({ mtime: 'nanoseconds', warnings: [] })
    expect(statSync(file('to/kept')).mtimeMs).toBe(pairMtime * 1000)
    expect((await info(cow, { backing: file('to/kept') })).overlay?.backing).toMatchObject({ findings: [] })
  })

  it('with the backing file in the same run, leads the copy to the copy, if that has the mtime', async () => {
    for (const order of [
      ['cow', 'root_fs'],
      ['root_fs', 'cow'],
    ]) {
      for (const header of ['root_fs', './root_fs', '../from/root_fs']) {
        const { file } = makeTree(header)
        const sources = order.map((name) => file(`from/${name}`))
        await copyFiles(sources, file('to'), { ...quick, preserve: true })
        await expectFits(file('to/cow'), file('to/root_fs'))
        expect(storedPath(file('to/cow'))).toBe(header.startsWith('..') ? 'root_fs' : header)
      }
    }
    const { file, backing } = makeTree()
    await copyFiles([file('from/cow'), backing], file('to'), quick)
    expect(storedPath(file('to/cow'))).toBe('../from/root_fs')
  })
})

describe('copySparse refuses', () => {
  it('a target that is the source, by any name', async () => {
    const { cow, file, backing } = makeTree()
    linkSync(backing, file('to/hard'))
    symlinkSync(backing, file('to/soft'))
    for (const target of [backing, file('to/hard'), file('to/soft'), file('from')]) {
      const refusal = copySparse(backing, target, { ...quick, overwrite: true })
      await expect(refusal, target).rejects.toMatchObject({ code: 'SAME_FILE' })
    }
    await expect(copySparse(cow, cow, quick)).rejects.toMatchObject({ code: 'SAME_FILE' })
  })

  it('to replace a file without overwrite, an overlay, and a file that an overlay needs', async () => {
    const { cow, backing, file } = makeTree('../elsewhere/base')
    writeFileSync(file('plain'), 'plain')
    renameSync(backing, file('elsewhere/base'))
    const over: CopyOptions = { ...quick, overwrite: true }
    await expect(copySparse(cow, file('plain'), quick)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    await expect(copySparse(file('plain'), cow, over)).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    // Its own backing file, with no overlay beside it.
    await expect(copySparse(cow, file('elsewhere/base'), over)).rejects.toMatchObject({ code: 'TARGET_PROTECTED' })
    writeOverlay(file('elsewhere/other'), { virtualSize, backing: 'base' })
    await expect(copySparse(file('plain'), file('elsewhere/base'), over)).rejects.toMatchObject({
      code: 'TARGET_PROTECTED',
    })
    await copySparse(cow, file('plain'), over)
    expect(storedPath(file('plain'))).toBe('elsewhere/base')
  })

  it('a source that a guest writes to, unless it is forced', async () => {
    const { cow, file } = makeTree()
    const writer = { pid: 7, access: 'write', seen: 'open' } as const
    const users: HostFiles['users'] = async (facts) => facts.map(() => ({ users: [writer], unseen: [] }))
    const held: CopyOptions = { ...quick, files: { ...files, users } }
    await expect(copySparse(cow, file('to/copy'), held)).rejects.toMatchObject({ code: 'IN_USE' })
    await copySparse(cow, file('to/copy'), { ...held, force: ['in-use'] })
    const blind: HostFiles = { ...files, users: async (facts) => facts.map(() => ({ users: [], unseen: ['/proc'] })) }
    const { warnings } = await copySparse(cow, file('to/blind'), { ...quick, files: blind })
    expect(warnings).toEqual([expect.stringMatching(/^cannot see every process/)])
  })

  it('a part of an unfinished merge', async () => {
    const { cow, backing, file } = makeTree()
    utimesSync(backing, 1, 1)
    writeFileSync(`${backing}.umlcow-merging`, 'no marker that can be read')
    for (const source of [backing, cow]) {
      await expect(copySparse(source, file('to/copy'), quick), source).rejects.toMatchObject({
        code: expect.stringMatching(/UNFINISHED_MERGE|JOURNAL_DAMAGED/),
      })
    }
  })
})
