import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { archiveFiles, type ExtractFilesOptions, extractFiles, importHumfs } from '../../../src/index.js'
import { type HostPath, localHostFiles } from '../../../src/machine/host-files.js'
import { localTreeReader } from '../../../src/trees/host/tree-reader.js'
import { localTreeWriter } from '../../../src/trees/host/tree-writer.js'
import { sampleOf } from '../../support/amount.js'
import { crashingHost } from '../../support/crashing-trees.js'
import { extentNode, HandExt } from '../../support/ext-by-hand.js'
import { scratchDirectory } from '../../support/humfs-tree.js'

const noSync = { noSync: true }

function handTree(): HandExt {
  const hand = new HandExt()
  hand.block(30).write('content')
  hand.file('file', 12, { size: 7, map: [30] })
  hand.file('dir', 13, { type: 'directory', mode: 0o700, size: 1024, map: [21] })
  hand.file('link', 14, { type: 'symlink', size: 4, blocks: 0, map: Buffer.from('/non') })
  hand.file('holes', 15, { size: 200_000, flags: 0x80000, map: extentNode(0, [[100, 1, 30]]) })
  hand.directory(21, [
    ['second', 12],
    ['pipe', 16],
  ])
  hand.record(12).writeUInt16LE(2, 26)
  hand.inode(16, { type: 'fifo' })
  return hand
}

interface Scene {
  readonly image: string
  readonly out: string
  extract(options?: ExtractFilesOptions, place?: string): ReturnType<typeof extractFiles>
  /** All names in the directory for the files, and beside the image. */
  names(): string[]
}

function sceneOf(hand: HandExt): Scene {
  const top = scratchDirectory()
  const [image, out] = [path.join(top, 'image'), path.join(top, 'out')]
  fs.writeFileSync(image, hand.bytes)
  fs.mkdirSync(out)
  return {
    image,
    out,
    extract: (options = {}, place = out) => extractFiles(image, place, { ...noSync, ...options }),
    names: () => fs.readdirSync(top, { recursive: true, encoding: 'utf8' }).sort(),
  }
}

describe('extractFiles', () => {
  test('makes a directory of the whole file system', async () => {
    const { out, extract, names } = sceneOf(handTree())
    const result = await extract()
    expect(result).toMatchObject({ directory: out, made: [out], entries: 7, size: 200_007, dryRun: false })
    const made = ['out', 'out/dir', 'out/dir/pipe', 'out/dir/second', 'out/file', 'out/holes', 'out/link']
    expect(names()).toEqual(['image', ...made])
    expect(fs.readFileSync(path.join(out, 'dir/second'), 'utf8')).toBe('content')
    expect(fs.statSync(path.join(out, 'file')).nlink).toBe(2)
    expect(fs.readlinkSync(path.join(out, 'link'))).toBe('/non')
    expect(fs.statSync(path.join(out, 'holes')).blocks).toBeLessThan(100)
    await expect(extract()).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
  })

  test('gives paths their last names, and takes only free ones', async () => {
    const { out, extract, names } = sceneOf(handTree())
    const paths = ['dir/pipe', '/link', 'dir/second']
    expect((await extract({ paths, dryRun: true })).made).toEqual(
      ['pipe', 'link', 'second'].map((one) => `${out}/${one}`),
    )
    expect(names()).toEqual(['image', 'out'])
    await extract({ paths })
    expect(names()).toEqual(['image', 'out', 'out/link', 'out/pipe', 'out/second'])
    const before = names()
    await expect(extract({ paths: ['file', 'link'] })).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    await expect(extract({ paths: ['file', 'none'] })).rejects.toMatchObject({ code: 'FS_NOT_FOUND' })
    await expect(extract({ paths: ['link/passwd'] })).rejects.toMatchObject({ code: 'FS_NOT_FOUND' })
    await expect(extract({ paths: ['file'] }, path.join(out, 'none'))).rejects.toMatchObject({
      code: 'ENOENT',
      message: `${out}/none: does not exist`,
      hint: expect.stringContaining('mkdir -p'),
    })
    await expect(extract({ paths: ['file'] }, path.join(out, 'link'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await extract({ paths: ['/dir', 'dir/pipe'], dryRun: true })).warnings).toEqual([
      'dir/pipe: gets no place of its own, because dir is extracted with all that it holds',
    ])
    expect(names()).toEqual(before)
  })

  test('leaves out paths that it cannot make, and places the others', async () => {
    const hand = handTree()
    hand.file('secret', 17, { flags: 0x800, size: 7, map: [30] })
    hand.file('disk', 18, { type: 'block' })
    const { out, extract, names } = sceneOf(hand)
    const paths = ['file', 'disk', 'secret', 'link']
    const reader = { ...localTreeReader, user: () => ({ uid: 1000, gid: 1000, groups: [1000], umask: 0 }) }
    expect(await extract({ paths, reader, dryRun: true })).toMatchObject({
      made: ['file', 'link'].map((one) => `${out}/${one}`),
      entries: 2,
      losses: { devices: { count: 1, files: ['disk'] } },
      warnings: [
        expect.stringMatching(/^secret: left out/),
        '1 device was left out, because only root can make devices: disk',
        expect.stringMatching(/^2 files belong to you/),
      ],
    })
    const result = await extract({ paths: ['secret', 'file'] })
    expect(result).toMatchObject({ made: [`${out}/file`], entries: 1, warnings: [expect.stringMatching(/^secret: /)] })
    expect(names()).toEqual(['image', 'out', 'out/file'])
    expect(await extract({ paths: ['secret'] })).toMatchObject({ made: [], entries: 0 })
  })

  test('takes back the names that it placed when one cannot have its place', async () => {
    const { out, extract, names } = sceneOf(handTree())
    const paths = ['file', 'dir', 'link', 'holes']
    const full = new UmlcowError('ENOSPC', 'no room')
    const placing = (last: () => void) => ({
      ...localTreeWriter,
      link(from: HostPath, to: HostPath) {
        if (`${to}`.endsWith('/out/holes')) last()
        localTreeWriter.link(from, to)
      },
    })
    const fails = () => {
      throw full
    }
    await expect(extract({ paths, writer: placing(fails) })).rejects.toBe(full)
    expect(names()).toEqual(['image', 'out'])
    const taken = () => {
      fs.unlinkSync(path.join(out, 'file'))
      for (const name of ['file', 'holes']) fs.writeFileSync(path.join(out, name), 'of another process')
    }
    await expect(extract({ paths, writer: placing(taken) })).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(names()).toEqual(['image', 'out', 'out/file', 'out/holes'])
  })

  test('reports the attributes that the host did not take', async () => {
    const hand = handTree()
    const { extract } = sceneOf(hand)
    const first = [{ path: Buffer.from('file'), reason: 'Operation not supported' }]
    const writer = { ...localTreeWriter, setAttributes: async () => ({ count: 5, first }) }
    expect((await extract({ writer })).losses.attributes).toEqual({ count: 0, files: [] })
    const attribute = Buffer.alloc(1024)
    for (const [i, word] of [0xea020000, 1, 1].entries()) attribute.writeUInt32LE(word, i * 4)
    attribute.set([1, 1], 32)
    attribute.writeUInt16LE(1020, 34)
    attribute.writeUInt32LE(1, 40)
    attribute.write('a', 48)
    hand.block(40).set(attribute)
    hand.record(12).writeUInt32LE(40, 0x68)
    const { losses, warnings } = await sceneOf(hand).extract({ writer })
    expect(losses.attributes).toEqual({ count: 5, files: ['file: Operation not supported'] })
    expect(warnings).toEqual(['5 files lack extended attributes: file: Operation not supported and 4 more'])
  })

  test('refuses two paths with one last name', async () => {
    const hand = handTree()
    hand.directory(21, [['file', 12]])
    const { extract, names } = sceneOf(hand)
    await expect(extract({ paths: ['file', 'dir/file'] })).rejects.toMatchObject({ code: 'USAGE' })
    expect(names()).toEqual(['image', 'out'])
  })

  test('makes nothing outside of the directory, whatever the names are', async () => {
    const hand = handTree()
    const evil: [string, number][] = [
      ['..', 12],
      ['../escaped', 12],
      ['/tmp/escaped', 12],
      ['cut\0off', 12],
      ['fine', 12],
    ]
    hand.directory(21, evil)
    const { extract, names } = sceneOf(hand)
    await expect(extract()).rejects.toMatchObject({ code: 'FS_DAMAGED' })
    const { warnings } = await extract({ force: ['damage'] })
    expect(warnings).toHaveLength(4)
    expect(names().filter((name) => !name.includes('holes'))).toEqual([
      'image',
      'out',
      'out/dir',
      'out/dir/fine',
      'out/file',
      'out/link',
    ])
  })

  test('never goes through a link that a name of the image has made', async () => {
    const hand = new HandExt()
    hand.file('a', 12, { type: 'symlink', size: 4, blocks: 0, map: Buffer.from('/non') })
    hand.file('a', 13, { type: 'directory', size: 1024, map: [21] })
    hand.directory(21, [['escaped', 14]])
    hand.inode(14, {})
    const { extract, names } = sceneOf(hand)
    await expect(extract()).rejects.toMatchObject({ code: 'FS_DAMAGED', message: expect.stringContaining('twice') })
    expect(names()).toEqual(['image', 'out'])
    expect((await extract({ force: ['damage'] })).warnings).toEqual([expect.stringMatching(/^a: left out/)])
    expect(names()).toEqual(['image', 'out', 'out/a'])
  })

  test('refuses files whose inodes cannot be right, and leaves them out when forced', async () => {
    const hand = handTree()
    hand.record(16).writeUInt16LE(0, 0)
    const { extract, names } = sceneOf(hand)
    await expect(extract()).rejects.toMatchObject({
      code: 'FS_DAMAGED',
      hint: expect.stringContaining('--force=damage'),
    })
    expect((await extract({ force: ['damage'] })).warnings).toEqual([expect.stringMatching(/^dir\/pipe: left out/)])
    expect(names()).not.toContain('out/dir/pipe')
  })

  test('refuses an image that a process writes to', async () => {
    const { image, out, extract, names } = sceneOf(handTree())
    const files = {
      ...localHostFiles,
      users: async (facts: readonly unknown[]) =>
        facts.map(() => ({ users: [{ pid: 1, access: 'write' as const, seen: 'open' as const }], unseen: [] })),
    }
    await expect(extract({ files })).rejects.toMatchObject({ code: 'IN_USE' })
    const archive = archiveFiles(image, path.join(out, 'x'), { ...noSync, files, format: 'tar' })
    await expect(archive).rejects.toMatchObject({ code: 'IN_USE' })
    expect(names()).toEqual(['image', 'out'])
    await extract({ files, force: ['in-use'] })
    expect(names()).toContain('out/file')
  })

  test('leaves nothing when a call fails, and the next run works', async () => {
    const paths = ['dir', 'file', 'link', 'holes']
    const counted = crashingHost(Number.POSITIVE_INFINITY)
    await sceneOf(handTree()).extract({ paths, writer: counted.writer })
    const indexes = counted.calls.map((_, index) => index)
    for (const index of sampleOf('extract', indexes, 3, (one) => counted.calls[one])) {
      const { out, extract, names } = sceneOf(handTree())
      const { writer } = crashingHost(index, { once: true })
      const error = await extract({ paths, writer }).then(
        () => null,
        (reason: unknown) => reason,
      )
      // What got its name is whole.
      const made = fs.readdirSync(out).filter((name) => !name.startsWith('.'))
      if (made.includes('dir')) expect(fs.readdirSync(path.join(out, 'dir')).sort()).toEqual(['pipe', 'second'])
      if (error === null) expect(made.sort()).toEqual([...paths].sort())
      for (const name of made) fs.rmSync(path.join(out, name), { recursive: true })
      await extract({ paths })
      expect(names().filter((name) => name.includes('.umlcow'))).toEqual([])
      expect(fs.readdirSync(out).sort()).toEqual([...paths].sort())
    }
  })
})

describe('an image as another format', () => {
  test('gives cpio, mtree text and a pseudo file, but no save file', async () => {
    const { image, out } = sceneOf(handTree())
    for (const format of ['cpio', 'mtree', 'squashfs'] as const) {
      const result = await archiveFiles(image, path.join(out, format), { ...noSync, format })
      expect(result).toMatchObject({ format, entries: 7 })
    }
    expect(fs.readFileSync(path.join(out, 'mtree'), 'utf8')).toContain('./dir/pipe type=fifo')
    const wrong = archiveFiles(image, path.join(out, 'x'), { ...noSync, format: 'fakeroot' as 'tar' })
    await expect(wrong).rejects.toThrow(RangeError)
    const same = archiveFiles(image, image, { ...noSync, format: 'tar', overwrite: true })
    await expect(same).rejects.toMatchObject({ code: 'SAME_FILE' })
  })

  test('is no archive: an import says how to read it', async () => {
    const { image, out } = sceneOf(handTree())
    const wrong = importHumfs(image, out, { ...noSync, from: 'tar' })
    await expect(wrong).rejects.toMatchObject({ code: 'NOT_ARCHIVE', hint: 'use --from image' })
    expect(await importHumfs(image, out, { ...noSync, from: 'image' })).toMatchObject({ from: 'image', entries: 7 })
  })
})
