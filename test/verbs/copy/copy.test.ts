import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CopyOptions, copyFiles, copySparse, type Progress } from '../../../src/index.js'
import { type HostFiles, localHostFiles } from '../../../src/machine/host-files.js'
import { keepsUntouched, namesIn, pairMtime, writeOverlay } from '../../cli/scene.js'
import { failAt, hookedFiles, injected } from '../../support/hooked-files.js'
import { temporaryDirectory } from '../../support/paths.js'
import { dataOf, makeSparsePair, storedSize } from '../../support/sparse-pair.js'

const no = async () => false
/** No program of the host, and no storage to share. */
const bare: HostFiles = {
  ...localHostFiles,
  reflink: no,
  copyByCp: no,
  touch: no,
  extents: async () => null,
}
const quick = { noSync: true, files: bare } satisfies CopyOptions

function expectSame(target: string | Buffer, source: string): void {
  expect(Buffer.compare(readFileSync(target), readFileSync(source))).toBe(0)
}

function fileIn(directory: string, name: string, content: string | Buffer = name): string {
  writeFileSync(path.join(directory, name), content)
  return path.join(directory, name)
}

describe('copySparse', () => {
  it('keeps holes without any program of the host, and with a list of extents', async () => {
    const { backing, target, directory, virtualSize } = makeSparsePair()
    keepsUntouched(backing)
    const known: HostFiles = { ...bare, extents: async () => dataOf() }
    for (const [copier, files] of [
      ['read', bare],
      ['extents', known],
    ] as const) {
      const result = await copySparse(backing, target, { noSync: true, files, overwrite: true })
      expect(result).toMatchObject({ copier, size: virtualSize, format: 'raw', dryRun: false, backingPath: null })
      expect(result.target).toEqual(Buffer.from(target))
      expectSame(target, backing)
      expect(storedSize(target)).toBeLessThan(4 * 2 ** 20)
      expect(result.allocatedSize).toBeLessThan(4 * 2 ** 20)
    }
    expect(namesIn(directory)).toEqual(['cow', 'merged', 'root_fs'])
  })

  it('makes holes of zeros, unless the host is to store every byte', async () => {
    const directory = temporaryDirectory()
    const bytes = Buffer.alloc(300_000).fill('data', 100_000, 110_000)
    const source = fileIn(directory, 'zeros', bytes)
    for (const sparse of ['auto', 'always', 'never'] as const) {
      const target = path.join(directory, sparse)
      await copySparse(source, target, { ...quick, sparse })
      expectSame(target, source)
      if (sparse === 'never') expect(storedSize(target)).toBeGreaterThanOrEqual(bytes.length)
      else expect(storedSize(target)).toBeLessThanOrEqual(32_768)
    }
  })

  it.each(['', 'x'])('copies "%s"', async (content) => {
    const directory = temporaryDirectory()
    const source = fileIn(directory, 'from', content)
    await copySparse(source, path.join(directory, 'to'), quick)
    expectSame(path.join(directory, 'to'), source)
  })

  it('shares storage only where it may', async () => {
    const directory = temporaryDirectory()
    const backing = fileIn(directory, 'from', Buffer.alloc(20_000, 'x'))
    const target = path.join(directory, 'to')
    const shared: string[] = []
    const reflink: HostFiles['reflink'] = async (from, to) => {
      shared.push(to.name)
      const bytes = readFileSync(backing)
      expect(from.size).toBe(bytes.length)
      await to.write(0, bytes)
      return true
    }
    const files = { ...bare, reflink }
    const overwrite = true
    expect(await copySparse(backing, target, { noSync: true, files })).toMatchObject({ copier: 'reflink' })
    for (const other of [{ reflink: 'never' }, { sparse: 'always' }, { sparse: 'never' }] as const) {
      const result = await copySparse(backing, target, { noSync: true, files, overwrite, ...other })
      expect(result.copier).toBe('read')
    }
    expect(shared).toHaveLength(1)
    const always = { ...quick, reflink: 'always', overwrite } as const
    await expect(copySparse(backing, target, always)).rejects.toMatchObject({ code: 'COPIER_UNAVAILABLE' })
    await expect(copySparse(backing, target, { ...always, sparse: 'always' })).rejects.toMatchObject({ code: 'USAGE' })
  })

  it('gives a new copy the permissions of the source, less the umask, and a replaced file keeps its own', async () => {
    const directory = temporaryDirectory()
    const source = fileIn(directory, 'from')
    chmodSync(source, 0o4755)
    const target = path.join(directory, 'to')
    await copySparse(source, target, quick)
    expect(statSync(target).mode & 0o7777).toBe(0o755 & ~process.umask())
    chmodSync(target, 0o600)
    await copySparse(source, target, { ...quick, overwrite: true })
    expect(statSync(target).mode & 0o7777).toBe(0o600)
    expect(statSync(target).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
  })

  it('with preserve: keeps mtime, permissions and owner', async () => {
    const directory = temporaryDirectory()
    const source = fileIn(directory, 'from')
    chmodSync(source, 0o6751)
    utimesSync(source, pairMtime, pairMtime + 0.25)
    const target = fileIn(directory, 'to', 'old')
    const result = await copySparse(source, target, { ...quick, preserve: true, overwrite: true })
    expect(result).toMatchObject({ mtime: 'nanoseconds', warnings: [] })
    expect(statSync(target).mode & 0o7777).toBe(0o6751)
    expect(statSync(target, { bigint: true }).mtimeNs).toBe(BigInt(pairMtime) * 1_000_000_000n + 250_000_000n)
  })

  it('with preserve: says what it could not keep', async () => {
    const directory = temporaryDirectory()
    const source = fileIn(directory, 'from')
    chmodSync(source, 0o6751)
    const poor: HostFiles = {
      ...bare,
      setOwner: async () => {
        throw injected('EPERM')
      },
      setMtime: (store) => localHostFiles.setMtime(store, 10),
    }
    const result = await copySparse(source, path.join(directory, 'to'), { ...quick, files: poor, preserve: true })
    expect(result.mtime).toBe('none')
    expect(result.warnings).toEqual([expect.stringMatching(/cannot hold the modification time/)])
    expect(statSync(path.join(directory, 'to')).mode & 0o7777).toBe(0o751)
    const exact: HostFiles = { ...bare, setMtime: (store, s) => localHostFiles.setMtime(store, s) }
    const second = await copySparse(source, path.join(directory, '2'), { ...quick, files: exact, preserve: true })
    if (second.mtime !== 'nanoseconds') expect(second.warnings).toEqual([expect.stringMatching(/to the .*second only/)])
  })

  it('reports its progress to the end, and stops after its signal', async () => {
    const directory = temporaryDirectory()
    const sources = ['a', 'b'].map((name) => fileIn(directory, name, Buffer.alloc(1000, 'x')))
    const into = path.join(directory, 'into')
    mkdirSync(into)
    const seen: Progress[] = []
    await copyFiles(sources, into, { ...quick, onProgress: (progress) => seen.push(progress) })
    expect(seen.map(({ transferred }) => transferred)).toEqual([...seen.map(({ transferred }) => transferred)].sort())
    expect(seen.at(-1)).toMatchObject({ transferred: 2000, size: 2000, description: 'copy' })
    const stop = new AbortController()
    const stopping = { ...quick, signal: stop.signal, onProgress: () => stop.abort() }
    await expect(copySparse(sources[0]!, path.join(directory, 'half'), stopping)).rejects.toMatchObject({
      code: 'INTERRUPTED',
    })
    expect(namesIn(directory)).toEqual(['a', 'b', 'into'])
  })

  it('refuses a source that changes while it is copied, and leaves nothing', async () => {
    const directory = temporaryDirectory()
    const source = fileIn(directory, 'from', Buffer.alloc(10_000, 'x'))
    const changes: Record<string, () => void> = {
      content: () => writeFileSync(source, Buffer.alloc(10_000, 'y')),
      size: () => writeFileSync(source, 'y'),
      'content, with its time set back': () => {
        const { atime, mtime } = statSync(source)
        writeFileSync(source, Buffer.alloc(10_000, 'z'))
        utimesSync(source, atime, mtime)
      },
    }
    for (const [what, change] of Object.entries(changes)) {
      let isChanged = false
      const files = hookedFiles((call) => {
        if (isChanged || !call.startsWith('truncate ')) return
        isChanged = true
        change()
      }, bare)
      const target = path.join(directory, 'to')
      await expect(copySparse(source, target, { ...quick, files }), what).rejects.toMatchObject({
        code: 'INPUT_CHANGED',
        hint: expect.stringContaining('then copy again'),
      })
      expect(namesIn(directory)).toEqual(['from'])
    }
    const files = hookedFiles((call) => void (call.startsWith('truncate ') && changes['content']!()), bare)
    await copySparse(source, path.join(directory, 'to'), { ...quick, files, force: ['in-use'] })
    expect(namesIn(directory)).toEqual(['from', 'to'])
  })

  it('leaves nothing behind whichever call fails', async () => {
    const directory = temporaryDirectory()
    const source = fileIn(directory, 'from', Buffer.alloc(9000, 'x'))
    const target = path.join(directory, 'to')
    const calls: string[] = []
    const count = hookedFiles((call) => void calls.push(call), bare)
    await copySparse(source, path.join(directory, 'first'), { preserve: true, files: count })
    expect(calls.length).toBeGreaterThan(10)
    for (let i = 0; i < calls.length; i++) {
      const files = hookedFiles(failAt(i, 'recovers').hook, bare)
      const failure = await copySparse(source, target, { preserve: true, files }).then(
        () => null,
        (error: { code: string }) => error.code,
      )
      if (failure !== null) expect(failure, calls[i]).toBe('EIO')
      expect(namesIn(directory).filter((name) => name.startsWith('.umlcow'))).toEqual([])
      if (namesIn(directory).includes('to')) break
    }
  })
})

describe('where copies go', () => {
  it('goes into a directory under the name of the source, as cp does', async () => {
    const directory = temporaryDirectory()
    const into = path.join(directory, 'into')
    mkdirSync(into)
    symlinkSync('into', path.join(directory, 'link'))
    const sources = ['a', 'b'].map((name) => fileIn(directory, name))
    for (const place of [into, `${into}/`, path.join(directory, 'link')]) {
      const { copies } = await copyFiles(sources, place, { ...quick, overwrite: true })
      expect(copies.map(({ target }) => path.basename(String(target)))).toEqual(['a', 'b'])
      expect(readFileSync(path.join(into, 'b'), 'utf8')).toBe('b')
    }
    expect(String((await copySparse(sources[0]!, into, { ...quick, overwrite: true })).target)).toBe(`${into}/a`)
    expect(await copyFiles([], into, quick)).toEqual({ copies: [], dryRun: false, warnings: [] })
  })

  it('refuses several files without a directory, or with one name, before it copies any', async () => {
    const directory = temporaryDirectory()
    for (const name of ['x', 'y']) mkdirSync(path.join(directory, name))
    const sources = ['a', 'x/a'].map((name) => fileIn(directory, name))
    const to = path.join(directory, 'y')
    await expect(copyFiles(sources, path.join(directory, 'new'), quick)).rejects.toMatchObject({ code: 'TARGET_KIND' })
    await expect(copyFiles(sources, sources[0]!, quick)).rejects.toMatchObject({ code: 'TARGET_KIND' })
    await expect(copyFiles(sources, to, quick)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    fileIn(to, 'b', 'mine')
    const second = [sources[0]!, fileIn(directory, 'b')]
    await expect(copyFiles(second, to, quick)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    await expect(copyFiles([sources[0]!, path.join(directory, 'none')], to, quick)).rejects.toMatchObject({
      code: 'ENOENT',
    })
    await expect(copySparse(to, path.join(directory, 'z'), quick)).rejects.toMatchObject({ code: 'NOT_A_FILE' })
    await expect(copySparse(sources[0]!, `${directory}/z/`, quick)).rejects.toMatchObject({ code: 'TARGET_KIND' })
    expect(namesIn(to)).toEqual(['b'])
  })

  it('does nothing in a dry run', async () => {
    const directory = temporaryDirectory()
    const backing = fileIn(directory, 'root_fs', Buffer.alloc(4096, 'x'))
    const cow = path.join(directory, 'cow')
    writeOverlay(cow, { virtualSize: 4096, backing: 'root_fs' })
    mkdirSync(path.join(directory, 'into'))
    const result = await copyFiles([cow, backing], path.join(directory, 'into'), { ...quick, dryRun: true })
    expect(result).toMatchObject({ dryRun: true, copies: [{ format: 'cow' }, { format: 'raw', copier: null }] })
    expect(namesIn(path.join(directory, 'into'))).toEqual([])
  })
})
