import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { readTar } from '../../../src/formats/tar/index.js'
import { openMemoryStore } from '../../../src/stores/memory-store.js'
import { openDirectorySource } from '../../../src/trees/kinds/directory/source.js'
import { openHumfsSource, readHumfsTree } from '../../../src/trees/kinds/humfs/source.js'
import { streamFormats } from '../../../src/trees/kinds/table.js'
import type { ExportOptions } from '../../../src/trees/transfer/export-options.js'
import { exportTree } from '../../../src/trees/transfer/export-tree.js'
import { failingHost } from '../../support/failing-host.js'
import { isRoot, scratchDirectory, snapshot } from '../../support/humfs-tree.js'
import { cut, listOf } from '../../support/manifest-entries.js'
import { humfsScene, readAll } from '../scenes.js'

const tar: ExportOptions = { format: 'tar', noSync: true }

/** Names in a directory, temporary ones too. */
const namesIn = (directory: string): string[] => fs.readdirSync(directory).sort()

describe('exporting', () => {
  it.each(streamFormats)('makes a file of %s, which only its owner may read', async (format) => {
    const { top, at } = await humfsScene()
    const excludeFile = format === 'squashfs' ? at('exclude') : undefined
    const before = snapshot(top)
    const result = await exportTree(openHumfsSource(top), at('out'), { format, excludeFile, noSync: true })
    const items = await listOf(readHumfsTree(top))
    expect(result).toMatchObject({ format, target: at('out'), entries: items.length, dryRun: false })
    const stats = fs.statSync(at('out'))
    expect(result.written).toBe(stats.size)
    expect(stats.mode & 0o777).toBe(0o600)
    const after = snapshot(top)
    delete after['out']
    delete after['exclude']
    expect(after).toEqual(before)
  })

  it('to tar gives what is read back as the tree, but for sockets', async () => {
    const { top, at } = await humfsScene()
    const { warnings } = await exportTree(openHumfsSource(top), at('out'), tar)
    expect(warnings).toEqual(['socket: left out: tar archives hold no sockets'])
    const back = await listOf(readTar(cut(fs.readFileSync(at('out')), 10_000)))
    const wanted = (await listOf(readHumfsTree(top))).filter(({ entry }) => entry.type !== 'socket')
    const plain = ({ entry: { linkCount, ...rest } }: (typeof wanted)[number]) => rest
    expect(back.map(({ entry }) => entry)).toEqual(wanted.map(plain))
  })

  it('leaves sockets out when asked', async () => {
    const { top, at } = await humfsScene()
    expect((await exportTree(openHumfsSource(top), at('out'), { ...tar, format: 'mtree' })).warnings).toHaveLength(1)
    const options: ExportOptions = { ...tar, format: 'mtree', overwrite: true, noSockets: true }
    const { warnings } = await exportTree(openHumfsSource(top), at('out'), options)
    // An ordinary user cannot see who else has the old file open.
    expect(warnings.filter((one) => !one.startsWith('cannot see every process'))).toEqual([])
    expect(fs.readFileSync(at('out'), 'latin1')).not.toContain('socket')
  })

  it('to a pipe writes the same as to a file', async () => {
    const { top, at } = await humfsScene()
    await exportTree(openHumfsSource(top), at('out'), tar)
    const pipe = openMemoryStore()
    const result = await exportTree(openHumfsSource(top), { pipe, facts: null }, tar)
    const bytes = Buffer.alloc(pipe.size)
    await pipe.read(0, bytes)
    expect(bytes.equals(fs.readFileSync(at('out')))).toBe(true)
    expect(result).toMatchObject({ target: null, written: bytes.length })
  })

  it('of a directory has what the host has', async () => {
    const { at } = await humfsScene()
    await exportTree(openDirectorySource(at('data')), at('out'), tar)
    const back = await readAll(readTar(cut(fs.readFileSync(at('out')), 10_000)))
    expect(back['socket']!.text).toMatch(/^file /)
  })

  it('tells how far it is, up to the end', async () => {
    const { top, at } = await humfsScene()
    const seen: { transferred: number; size: number }[] = []
    await exportTree(openHumfsSource(top), at('out'), { ...tar, onProgress: (progress) => seen.push(progress) })
    const { transferred, size } = seen.at(-1)!
    expect(transferred).toBe(size)
    expect(size).toBeGreaterThan(700_000)
    expect(seen.every((one, i) => i === 0 || one.transferred >= seen[i - 1]!.transferred)).toBe(true)
  })

  it('writes nothing in a dry run', async () => {
    const { top, at } = await humfsScene()
    const before = namesIn(top)
    const options: ExportOptions = { format: 'squashfs', excludeFile: at('exclude'), dryRun: true }
    expect(await exportTree(openHumfsSource(top), at('out'), options)).toMatchObject({ dryRun: true, written: null })
    expect(namesIn(top)).toEqual(before)
  })
})

describe('what an export refuses, with nothing written', () => {
  async function refused(target: string[], options: Partial<ExportOptions> = {}): Promise<UmlcowError> {
    const { top, at } = await humfsScene((inside) => {
      fs.linkSync(inside('data', 'content'), inside('hard'))
      fs.writeFileSync(inside('precious'), 'precious')
      fs.symlinkSync('data/dir', inside('way in'))
    })
    const before = snapshot(top)
    const failure = await exportTree(openHumfsSource(top), at(...target), { ...tar, ...options }).catch(
      (error) => error,
    )
    expect(failure).toBeInstanceOf(UmlcowError)
    expect(snapshot(top)).toEqual(before)
    return failure
  }

  it.each<[string, string[], Partial<ExportOptions>]>([
    ['TARGET_EXISTS', ['precious'], {}],
    ['SAME_FILE', ['data'], { overwrite: true }],
    ['TARGET_PROTECTED', ['data', 'out'], {}],
    ['TARGET_PROTECTED', ['data', 'dir', 'empty', 'out'], {}],
    ['TARGET_PROTECTED', ['data', 'dir', 'more'], { overwrite: true }],
    ['TARGET_PROTECTED', ['way in', 'out'], {}],
    ['TARGET_PROTECTED', ['file_metadata', 'out'], {}],
    ['TARGET_PROTECTED', ['dir_metadata', 'dir', 'out'], {}],
    ['SAME_FILE', ['superblock'], { overwrite: true }],
    ['SAME_FILE', ['hard'], { overwrite: true }],
    ['SAME_FILE', ['out'], { format: 'squashfs', excludeFile: 'hard', overwrite: true }],
    ['ENOENT', ['nowhere', 'out'], {}],
    ['ENTRY_UNFIT', ['out'], { format: 'squashfs' }],
    ['INTERRUPTED', ['out'], { signal: AbortSignal.abort() }],
  ])('%s: %j %j', async (code, target, options) => {
    if (options.excludeFile === undefined) {
      expect(await refused(target, options)).toMatchObject({ code })
      return
    }
    const { top, at } = await humfsScene((inside) => fs.linkSync(inside('data', 'content'), inside('hard')))
    const before = snapshot(top)
    const given = { ...tar, ...options, excludeFile: at(options.excludeFile) }
    await expect(exportTree(openHumfsSource(top), at(...target), given)).rejects.toMatchObject({ code })
    expect(snapshot(top)).toEqual(before)
  })

  it('standard output that is a file of the tree', async () => {
    const { top, at } = await humfsScene()
    const { dev: device, ino: inode } = fs.statSync(at('data', 'content'), { bigint: true })
    const pipe = openMemoryStore()
    const facts = { device, inode, kind: 'file' } as never
    await expect(exportTree(openHumfsSource(top), { pipe, facts }, tar)).rejects.toMatchObject({ code: 'SAME_FILE' })
    expect(pipe.size).toBe(0)
  })

  it('one name for both outputs', async () => {
    const { top, at } = await humfsScene((inside) => fs.symlinkSync('.', inside('here')))
    for (const overwrite of [false, true]) {
      const before = snapshot(top)
      const options: ExportOptions = { ...tar, format: 'squashfs', excludeFile: at('here', 'out'), overwrite }
      await expect(exportTree(openHumfsSource(top), at('out'), options)).rejects.toMatchObject({ code: 'SAME_FILE' })
      expect(snapshot(top)).toEqual(before)
      fs.writeFileSync(at('out'), 'old')
    }
  })

  it('files of 4 GiB in cpio, each by its name', async () => {
    const { top, at } = await humfsScene((inside) => {
      for (const name of ['large', 'larger']) fs.writeFileSync(inside('data', name), '')
      fs.truncateSync(inside('data', 'large'), 2 ** 32)
      fs.truncateSync(inside('data', 'larger'), 2 ** 33)
    })
    const failure = exportTree(openHumfsSource(top), at('out'), { ...tar, format: 'cpio' })
    await expect(failure).rejects.toMatchObject({ code: 'ENTRY_UNFIT', details: { count: 2 } })
    await expect(failure).rejects.toThrow(/large: cpio holds no files of 4 GiB and more/)
    expect(namesIn(top)).not.toContain('out')
  })

  it('names that a file for mksquashfs -ef does not hold', async () => {
    const { top, at } = await humfsScene((inside) =>
      fs.renameSync(inside('data', 'socket'), inside('data', ' #socket')),
    )
    const options: ExportOptions = { ...tar, format: 'squashfs', excludeFile: at('exclude') }
    await expect(exportTree(openHumfsSource(top), at('out'), options)).rejects.toMatchObject({
      code: 'ENTRY_UNFIT',
      message: expect.stringContaining(' #socket: a file for mksquashfs -ef cannot hold this name'),
    })
  })

  it.runIf(!isRoot)('files that we may not read', async () => {
    const { top, at } = await humfsScene()
    fs.chmodSync(at('data', 'content'), 0)
    await expect(exportTree(openHumfsSource(top), at('out'), tar)).rejects.toThrow(
      /data\/content: no permission to read it/,
    )
    await exportTree(openHumfsSource(top), at('out'), { ...tar, format: 'mtree' })
  })
})

describe('an export that fails', () => {
  it('leaves nothing, whatever call fails', async () => {
    const { top } = await humfsScene()
    const out = scratchDirectory()
    fs.writeFileSync(path.join(out, 'old'), 'old')
    const run = (failAt: number) => {
      const { files, calls } = failingHost(failAt, { code: 'ENOSPC' })
      const target = path.join(out, failAt % 2 === 0 ? 'new' : 'old')
      const done = exportTree(openHumfsSource(top), target, { format: 'tar', overwrite: true, files })
      return { done, calls, target }
    }
    let failures = 0
    for (let failAt = 0; ; failAt++) {
      const { done, calls, target } = run(failAt)
      const isDone = await done.then(
        () => true,
        () => false,
      )
      if (isDone && calls.length <= failAt) break
      failures++
      expect(namesIn(out).filter((name) => name.endsWith('.tmp'))).toEqual([])
      const size = fs.existsSync(target) ? fs.statSync(target).size : 'none'
      expect(size === 'none' || size === 'old'.length || size > 700_000, `${size}`).toBe(true)
      fs.rmSync(path.join(out, 'new'), { force: true })
      fs.writeFileSync(path.join(out, 'old'), 'old')
    }
    expect(failures).toBeGreaterThan(10)
  })

  it('leaves no exclude file without its pseudo file, whatever call fails', async () => {
    const { top } = await humfsScene()
    const out = scratchDirectory()
    const [target, excludeFile] = [path.join(out, 'pf'), path.join(out, 'ef')]
    const both: ExportOptions = { format: 'squashfs', excludeFile, noSync: true }
    const { truncate, sync, close, read } = openMemoryStore()
    const write = () => Promise.reject(new UmlcowError('ENOSPC', 'full'))
    const pipe = { name: 'pipe', size: 0, write, read, truncate, sync, close }
    await expect(exportTree(openHumfsSource(top), { pipe, facts: null }, both)).rejects.toMatchObject({
      code: 'ENOSPC',
    })
    expect(namesIn(out)).toEqual([])
    let failures = 0
    for (let failAt = 0; ; failAt++) {
      const { files, calls } = failingHost(failAt, { code: 'ENOSPC' })
      const isDone = await exportTree(openHumfsSource(top), target, { ...both, files }).then(
        () => true,
        () => false,
      )
      if (isDone && calls.length <= failAt) break
      // A temporary name that cannot be removed is left beside what has its own.
      if (!calls[failAt]?.startsWith('unlink')) expect(namesIn(out), calls[failAt]).toEqual(isDone ? ['ef', 'pf'] : [])
      for (const name of namesIn(out)) fs.rmSync(path.join(out, name))
      failures++
    }
    expect(failures).toBeGreaterThan(10)
  })

  it('in the middle of a file leaves nothing and lets go of the tree', async () => {
    const { top, at } = await humfsScene()
    const stop = new AbortController()
    const before = namesIn(top)
    const open = () => fs.readdirSync('/proc/self/fd').length
    const openBefore = open()
    const onProgress = () => stop.abort()
    const exporting = exportTree(openHumfsSource(top, { signal: stop.signal }), at('out'), {
      ...tar,
      signal: stop.signal,
      onProgress,
    })
    await expect(exporting).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(namesIn(top)).toEqual(before)
    expect(open()).toBe(openBefore)
  })

  it('to a pipe whose reader has gone tells so', async () => {
    const { top } = await humfsScene()
    const { truncate, sync, close, read } = openMemoryStore()
    const write = () => Promise.reject(new UmlcowError('EPIPE', 'gone'))
    const pipe = { name: 'pipe', size: 0, write, read, truncate, sync, close }
    await expect(exportTree(openHumfsSource(top), { pipe, facts: null }, tar)).rejects.toMatchObject({ code: 'EPIPE' })
  })
})
