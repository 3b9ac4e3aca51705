import { spawnSync } from 'node:child_process'
import { chownSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { commandPath, umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import {
  allocatedBytes,
  dataOffsetOf,
  expectPlainFailure,
  holdOpen,
  keepsUntouched,
  makeScene,
  namesIn,
  stateOf,
  writeHole,
  writeOverlay,
} from './scene.js'

function infoData(cow: string, ...args: string[]): Record<string, unknown> {
  return JSON.parse(umlcow(['info', '--json', ...args, cow]).stdout)['format-specific'].data
}

function storedPath(cow: string): string {
  const bytes = readFileSync(cow).subarray(32, 4128)
  return bytes.subarray(0, bytes.indexOf(0)).toString()
}

describe('create -b', () => {
  it('makes an empty overlay, the same byte for byte as one made by hand', () => {
    const { directory, backing, virtualSize } = makeScene()
    keepsUntouched(backing)
    const [made, byHand] = [path.join(directory, 'made'), path.join(directory, 'by-hand')]
    writeOverlay(byHand, { virtualSize, backing })
    const outcome = umlcow(['create', made, '-b', backing])
    expect(outcome).toEqual({
      status: 0,
      signal: null,
      stdout: `${made}: overlay on ${backing}, 300.5 KiB\n`,
      stderr: '',
    })
    expect(readFileSync(made).equals(readFileSync(byHand))).toBe(true)
    expect(umlcow(['check', made]).status).toBe(0)
  })

  it('prints JSON, or nothing', () => {
    const { directory, backing, virtualSize } = makeScene()
    const one = path.join(directory, 'one')
    expect(JSON.parse(umlcow(['create', '--json', one, '-b', backing]).stdout)).toEqual({
      filename: one,
      format: 'cow',
      'virtual-size': virtualSize,
      'backing-filename': backing,
      'dry-run': false,
      warnings: [],
    })
    const two = path.join(directory, 'two')
    expect(umlcow(['create', '--quiet', two, '-b', backing])).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })

  it('stores next to nothing for 1 TiB', () => {
    const directory = temporaryDirectory()
    writeHole(path.join(directory, 'root_fs'), 2 ** 40)
    expect(umlcow(['create', 'cow', '-b', 'root_fs'], { cwd: directory }).status).toBe(0)
    const cow = path.join(directory, 'cow')
    expect(statSync(cow).size).toBe(dataOffsetOf(2 ** 40) + 2 ** 40)
    expect(allocatedBytes(cow)).toBeLessThan(64 * 1024)
  })

  it('warns of a backing file that is too small for the kernel', () => {
    const directory = temporaryDirectory()
    writeHole(path.join(directory, 'small'), 32 * 1024)
    const outcome = umlcow(['create', 'cow', '-b', 'small'], { cwd: directory })
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toMatch(/^umlcow: warning: small: .*32 KiB/)
    expect(namesIn(directory)).toEqual(['cow', 'small'])
  })

  it('refuses a backing file that is itself an overlay, unless --chain', () => {
    const scene = makeScene()
    const top = path.join(scene.directory, 'top')
    const outcome = umlcow(['create', top, '-b', scene.cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain('--chain')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
    expect(umlcow(['create', '--chain', top, '-b', scene.cow]).status).toBe(0)
    const merged = umlcow(['merge', '--chain', top, scene.target])
    expect(merged).toMatchObject({ status: 0 })
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
  })

  it('fails for a backing file that is missing or no file, and leaves nothing', () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'd'))
    expect(spawnSync('mkfifo', [path.join(directory, 'fifo')]).status).toBe(0)
    for (const backing of ['missing', 'd', 'fifo', '/dev/null']) {
      expectPlainFailure(umlcow(['create', 'cow', '-b', backing], { cwd: directory }), 1)
    }
    expect(namesIn(directory)).toEqual(['d', 'fifo'])
  })
})

describe('the path in the header', () => {
  it('is absolute, with links resolved in its directory only', () => {
    const { directory, backing } = makeScene()
    mkdirSync(path.join(directory, 'sub'))
    symlinkSync('sub', path.join(directory, 'link-to-sub'))
    symlinkSync(backing, path.join(directory, 'sub', 'link'))
    const store = (given: string, cwd = directory) => {
      expect(umlcow(['create', '--overwrite', path.join(directory, 'new'), '-b', given], { cwd }).status).toBe(0)
      return storedPath(path.join(directory, 'new'))
    }
    expect(store('root_fs')).toBe(backing)
    expect(store('../root_fs', path.join(directory, 'sub'))).toBe(backing)
    expect(store('link-to-sub/link')).toBe(path.join(directory, 'sub', 'link'))
  })

  it('--relative leads from the overlay to the backing file, wherever one stands', () => {
    const { directory, backing } = makeScene()
    mkdirSync(path.join(directory, 'a', 'b'), { recursive: true })
    const cow = path.join(directory, 'a', 'b', 'cow')
    expect(umlcow(['create', '--relative', cow, '-b', 'root_fs'], { cwd: directory }).status).toBe(0)
    expect(storedPath(cow)).toBe('../../root_fs')
    expect(infoData(cow)).toMatchObject({ 'backing-state': 'ok' })
    const beside = path.join(directory, 'beside')
    expect(umlcow(['create', '--relative', beside, '-b', backing]).status).toBe(0)
    expect(storedPath(beside)).toBe('root_fs')
  })

  it('--chroot is as seen inside the jail', () => {
    const jail = temporaryDirectory()
    const images = path.join(jail, 'srv', 'images')
    mkdirSync(images, { recursive: true })
    const { backing } = makeScene({ directory: images })
    const cow = path.join(jail, 'cow')
    expect(umlcow(['create', '--chroot', jail, cow, '-b', backing]).status).toBe(0)
    expect(storedPath(cow)).toBe('/srv/images/root_fs')
    expect(infoData(cow, '--backing-root', jail)).toMatchObject({ 'backing-state': 'ok' })

    const outside = makeScene()
    const refused = path.join(jail, 'refused')
    expectPlainFailure(umlcow(['create', '--chroot', jail, refused, '-b', outside.backing]), 4)
    expect(namesIn(jail)).toEqual(['cow', 'srv'])
  })

  it('may be 4095 bytes long, not more', () => {
    const directory = temporaryDirectory()
    writeHole(path.join(directory, 'root_fs'), 65_536)
    const deep = `${'d'.repeat(200)}/`.repeat(30)
    let at = directory
    for (const part of deep.split('/').filter((one) => one !== '')) {
      // Too deep to be made in one go.
      const made = spawnSync('mkdir', [part], { cwd: at })
      if (made.status !== 0) break
      at = path.join(at, part)
      if (at.length > 3900) break
    }
    const longest = path.join(at, 'n'.repeat(4095 - at.length - 1))
    writeHole(longest, 65_536)
    const cow = path.join(directory, 'cow')
    expect(umlcow(['create', cow, '-b', longest]).status).toBe(0)
    expect(storedPath(cow)).toBe(longest)

    // One byte more can only be named from inside.
    const name = `${path.basename(longest)}n`
    expect(spawnSync('truncate', ['-s', '64K', name], { cwd: at }).status).toBe(0)
    const refused = umlcow(['create', path.join(directory, 'refused'), '-b', name], { cwd: at })
    expect(spawnSync('rm', [name], { cwd: at }).status).toBe(0)
    expectPlainFailure(refused, 1)
    expect(refused.stderr).toContain('has 4096 bytes, the header holds 4095')
    expect(namesIn(directory)).not.toContain('refused')
  })
})

describe('create SIZE', () => {
  it.each<[string, number]>([
    ['0', 0],
    ['1', 1],
    ['513', 513],
    ['4K', 4096],
    ['1.5K', 1536],
    ['10MiB', 10 * 2 ** 20],
    ['3g', 3 * 2 ** 30],
    ['2T', 2 * 2 ** 40],
    ['1P', 2 ** 50],
  ])('%s is %i bytes', (text, size) => {
    const directory = temporaryDirectory()
    // No file system of today holds more than some terabytes in one file.
    const dryRun = size > 2 ** 43
    const args = ['create', '--json', ...(dryRun ? ['--dry-run'] : []), 'raw', text]
    const outcome = umlcow(args, { cwd: directory })
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
    expect(JSON.parse(outcome.stdout)).toEqual({
      filename: 'raw',
      format: 'raw',
      'virtual-size': size,
      'dry-run': dryRun,
      warnings: [],
    })
    expect(namesIn(directory)).toEqual(dryRun ? [] : ['raw'])
    if (dryRun) return
    expect(statSync(path.join(directory, 'raw')).size).toBe(size)
    expect(allocatedBytes(path.join(directory, 'raw'))).toBeLessThan(4096)
  })

  it.each([
    ['', 'SIZE: is empty'],
    ['K', '"K" is not a size'],
    ['-1', '"-1" is not a size'],
    ['1.1', '"1.1" is not a whole number of bytes'],
    ['.5K', '".5K" is not a size'],
    ['1e3', '"1e3" is not a size'],
    ['10KK', '"10KK" is not a size'],
    ['9P', '"9P" is too large'],
  ])('%j is no size', (text, says) => {
    const directory = temporaryDirectory()
    const outcome = umlcow(['create', 'raw', '--', text], { cwd: directory })
    expectPlainFailure(outcome, 64)
    expect(outcome.stderr).toContain(says)
    expect(outcome.stdout).toBe('')
    expect(namesIn(directory)).toEqual([])
  })

  it('more than the file system holds fails and leaves nothing', () => {
    const directory = temporaryDirectory()
    const outcome = umlcow(['create', 'raw', '7P'], { cwd: directory })
    if (outcome.status === 0) return
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('raw: cannot set the size')
    expect(namesIn(directory)).toEqual([])
  })

  it('a file system that no program here makes is told by the name of the program', () => {
    const directory = temporaryDirectory()
    const outcome = umlcow(['create', 'raw', '1M', '--fs', 'nosuchfs'], { cwd: directory })
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('mkfs.nosuchfs: no such program')
    expect(namesIn(directory)).toEqual([])
  })
})

describe('an existing target', () => {
  it('is refused, and replaced with --overwrite', () => {
    const { directory, backing, virtualSize } = makeScene()
    const old = path.join(directory, 'old')
    writeFileSync(old, 'precious')
    const before = stateOf(old)
    for (const args of [['-b', backing], ['1M']]) {
      const outcome = umlcow(['create', old, ...args])
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr).toContain('--overwrite')
      expect(stateOf(old)).toEqual(before)
    }
    expect(umlcow(['create', '--overwrite', old, '-b', backing]).status).toBe(0)
    expect(infoData(old)).toMatchObject({ 'sectors-present': 0, 'backing-state': 'ok' })
    expect(statSync(old).size).toBe(dataOffsetOf(virtualSize) + virtualSize)
    const plain = path.join(directory, 'plain')
    writeFileSync(plain, 'old')
    expect(umlcow(['create', '--overwrite', plain, '1M']).status).toBe(0)
    expect(readFileSync(plain).equals(Buffer.alloc(2 ** 20))).toBe(true)
    expect(namesIn(directory)).toEqual(['cow', 'old', 'plain', 'root_fs'])
  })

  it('that is the backing file is refused by any name', () => {
    const { directory, backing } = makeScene()
    keepsUntouched(backing)
    symlinkSync(backing, path.join(directory, 'symbolic'))
    for (const target of [backing, path.join(directory, 'symbolic'), path.join(directory, '.', 'root_fs')]) {
      for (const overwrite of [[], ['--overwrite']]) {
        expectPlainFailure(umlcow(['create', ...overwrite, target, '-b', backing]), 4)
      }
    }
  })

  it('that is the backing file by a hard link is refused', () => {
    const { directory, backing } = makeScene()
    linkSync(backing, path.join(directory, 'hard'))
    keepsUntouched(backing)
    expectPlainFailure(umlcow(['create', '--overwrite', path.join(directory, 'hard'), '-b', backing]), 4)
  })

  it('that is the backing file of an overlay beside it is refused', () => {
    const scene = makeScene()
    const other = makeScene()
    keepsUntouched(scene.backing)
    for (const args of [['-b', other.backing], ['1M']]) {
      const outcome = umlcow(['create', '--overwrite', scene.backing, ...args])
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr).toContain(`is the backing file of the overlay ${scene.cow}`)
    }
  })

  it('that is an overlay is replaced by an overlay only', () => {
    const { cow, backing } = makeScene()
    const before = stateOf(cow)
    const outcome = umlcow(['create', '--overwrite', cow, '1M'])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain('is an overlay')
    expect(stateOf(cow)).toEqual(before)
    expect(umlcow(['create', '--overwrite', cow, '-b', backing]).status).toBe(0)
    expect(infoData(cow)).toMatchObject({ 'sectors-present': 0, 'backing-state': 'ok' })
  })

  it('that a process writes is refused, unless --force=in-use', async () => {
    const { cow, backing } = makeScene()
    const pid = await holdOpen(cow)
    const before = stateOf(cow)
    const outcome = umlcow(['create', '--overwrite', cow, '-b', backing])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`process ${pid}`)
    expect(stateOf(cow)).toEqual(before)
    expect(umlcow(['create', '--overwrite', '--force=in-use', cow, '-b', backing]).status).toBe(0)
  })

  it('that is a directory, a device or a dangling link is refused', () => {
    const { directory, backing } = makeScene()
    symlinkSync('nowhere', path.join(directory, 'dangling'))
    for (const target of [directory, '/dev/null', path.join(directory, 'dangling')]) {
      expectPlainFailure(umlcow(['create', '--overwrite', target, '-b', backing]), 4)
    }
    expect(namesIn(directory)).toEqual(['cow', 'dangling', 'root_fs'])
  })

  it('behind a link is replaced there, and the link stays', () => {
    const { directory, backing } = makeScene()
    mkdirSync(path.join(directory, 'real'))
    const real = path.join(directory, 'real', 'cow')
    writeFileSync(real, 'old')
    const link = path.join(directory, 'link')
    symlinkSync('real/cow', link)
    expect(umlcow(['create', '--overwrite', link, '-b', backing]).status).toBe(0)
    expect(infoData(real)).toMatchObject({ 'backing-state': 'ok' })
    expect(namesIn(directory)).toEqual(['cow', 'link', 'real', 'root_fs'])
    expect(namesIn(path.join(directory, 'real'))).toEqual(['cow'])
  })
})

describe('--dry-run', () => {
  it('writes nothing and refuses what would be refused', () => {
    const { directory, backing, cow } = makeScene()
    keepsUntouched(cow, backing)
    const target = path.join(directory, 'new')
    const outcome = umlcow(['create', '--dry-run', target, '-b', backing])
    expect(outcome).toMatchObject({ status: 0, stdout: `${target}: would be an overlay on ${backing}, 300.5 KiB\n` })
    expect(umlcow(['create', '-n', target, '1M']).status).toBe(0)
    expect(umlcow(['create', '-n', '--overwrite', cow, '-b', backing]).status).toBe(0)
    expectPlainFailure(umlcow(['create', '-n', cow, '-b', backing]), 4)
    expectPlainFailure(umlcow(['create', '-n', backing, '1M', '--overwrite']), 4)
    expectPlainFailure(umlcow(['create', '-n', target, '1M', '--fs', 'nosuchfs']), 1)
    expect(namesIn(directory)).toEqual(['cow', 'root_fs'])
  })
})

describe('permissions', () => {
  function createWithUmask(umask: string, ...args: string[]): number | null {
    const script = `umask ${umask}; exec "$@"`
    return spawnSync('/bin/sh', ['-c', script, 'sh', process.execPath, commandPath, 'create', ...args]).status
  }
  const modeOf = (file: string) => (statSync(file).mode & 0o7777).toString(8)

  it.each([
    ['022', '644'],
    ['077', '600'],
    ['002', '644'],
    ['000', '644'],
  ])('umask %s gives %s', (umask, mode) => {
    const { directory, backing } = makeScene()
    expect(createWithUmask(umask, path.join(directory, 'overlay'), '-b', backing)).toBe(0)
    expect(createWithUmask(umask, path.join(directory, 'raw'), '1M')).toBe(0)
    expect(modeOf(path.join(directory, 'overlay'))).toBe(mode)
    expect(modeOf(path.join(directory, 'raw'))).toBe(mode)
  })

  it('of a replaced file stay', () => {
    const directory = temporaryDirectory()
    const file = path.join(directory, 'raw')
    writeFileSync(file, '', { mode: 0o640 })
    expect(createWithUmask('077', '--overwrite', file, '1M')).toBe(0)
    expect(modeOf(file)).toBe('640')
  })

  it.runIf(process.getuid?.() === 0)('the owner of a replaced file stays', () => {
    const file = path.join(temporaryDirectory(), 'raw')
    writeFileSync(file, '')
    chownSync(file, 12_345, 54_321)
    expect(createWithUmask('022', '--overwrite', file, '1M')).toBe(0)
    expect(statSync(file)).toMatchObject({ uid: 12_345, gid: 54_321, size: 2 ** 20 })
  })

  it.runIf(process.getuid?.() !== 0)('a directory that may not be written fails plainly', () => {
    const directory = path.join(temporaryDirectory(), 'locked')
    mkdirSync(directory, { mode: 0o555 })
    const outcome = umlcow(['create', path.join(directory, 'raw'), '1M'])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('raw: cannot create')
  })

  it('a missing directory fails plainly', () => {
    const directory = temporaryDirectory()
    const outcome = umlcow(['create', path.join(directory, 'missing', 'raw'), '1M'])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('missing/raw: cannot create: ENOENT')
    expect(namesIn(directory)).toEqual([])
  })

  it('a modification time that no header holds fails, and leaves nothing', () => {
    const { directory, backing } = makeScene()
    expect(spawnSync('touch', ['-d', '1960-01-01T00:00:00Z', backing]).status).toBe(0)
    const outcome = umlcow(['create', path.join(directory, 'new'), '-b', backing])
    expectPlainFailure(outcome, 1)
    expect(outcome.stderr).toContain('1970 to 2106')
    expect(namesIn(directory)).toEqual(['cow', 'root_fs'])
  })
})

describe('create --from', () => {
  it('unpacks standard input into an image with holes', () => {
    const directory = temporaryDirectory()
    const made = path.join(directory, 'made.img')
    const image = Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(1_000_000)])
    const args = [commandPath, 'create', made, '2M', '--from', '-']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { input: gzipSync(image), encoding: 'utf8' })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${made}: sparse raw image, 2 MiB\n`, stderr: '' })
    expect(readFileSync(made).equals(Buffer.concat([image, Buffer.alloc(2 ** 21 - image.length)]))).toBe(true)
    expect(statSync(made).blocks * 512).toBe(4096)
    expect(umlcow(['info', made]).stdout).not.toContain('compressed')
  })

  it('refuses options of other forms', () => {
    for (const args of [['-b', 'root_fs'], ['--fs', 'ext4'], ['--chain']])
      expect(umlcow(['create', 'made', '--from', 'image', ...args]).status, args.join(' ')).toBe(64)
  })
})
