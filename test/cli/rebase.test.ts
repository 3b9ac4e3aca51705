import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import {
  expectPlainFailure,
  holdOpen,
  keepsUntouched,
  makeScene,
  namesIn,
  pairMtime,
  setMtime,
  stateOf,
} from './scene.js'

/** Where the path lies in the header of each layout, and how long it may be with its NUL. */
const pathFields = {
  v1: { offset: 8, length: 256 },
  v2: { offset: 8, length: 4096 },
  v3: { offset: 32, length: 4096 },
  padded: { offset: 36, length: 4096 },
}

type PairHeader = { version: number; padded64: boolean } | undefined

function fieldOf(header: PairHeader): { offset: number; length: number } {
  if (header === undefined) return pathFields.v3
  if (header.padded64) return pathFields.padded
  return header.version === 3 ? pathFields.v3 : header.version === 2 ? pathFields.v2 : pathFields.v1
}

function storedPath(cow: string, offset = pathFields.v3.offset): string {
  const bytes = readFileSync(cow)
  return bytes.subarray(offset, bytes.indexOf(0, offset)).toString()
}

/** What the file must be: the path and its NUL, everything else as it was, left-over bytes behind it too. */
function withPath(before: Buffer, offset: number, newPath: string): Buffer {
  const after = Buffer.from(before)
  Buffer.from(`${newPath}\0`).copy(after, offset)
  return after
}

/** A path that no file has, with names as short as hosts want them. */
function pathOfLength(length: number): string {
  return `/${'some/such/directory/or/other/'.repeat(150)}`.slice(0, length - 1).padEnd(length, 'n')
}

const kinds = ['ext4', ...listPairs().flatMap((pair) => (pair.group === 'versions' ? pair.kind : []))]

describe('rebase -u of each layout', () => {
  it.each(kinds)('%s: the path changes and not a byte besides', (kind) => {
    const pair = unpackPair(kind, temporaryDirectory())
    keepsUntouched(pair.paths.backing)
    pair.paths.overlays.forEach((cow, i) => {
      const { offset } = fieldOf(pair.overlays[i]?.header)
      let bytes: Buffer = readFileSync(cow)
      // Shorter than the old path; so long that the header changes in several disk sectors, too long for version 1.
      for (const newPath of ['r', pathOfLength(1000)]) {
        const outcome = umlcow(['rebase', '-u', '-b', newPath, cow], { cwd: temporaryDirectory() })
        const fits = newPath.length < fieldOf(pair.overlays[i]?.header).length
        expect(outcome.status).toBe(fits ? 0 : 1)
        if (fits) bytes = withPath(bytes, offset, newPath)
        expect(readFileSync(cow).equals(bytes)).toBe(true)
      }
      expect(namesIn(path.dirname(cow)).filter((name) => name.includes('umlcow'))).toEqual([])
    })
  })

  it.each([
    ['v1-big', 255],
    ['v1-hybrid', 255],
    ['v2-little-magic', 4095],
    ['v3', 4095],
    ['v3-padded64', 4095],
  ])('%s holds a path of %i bytes and not of one more', (kind, limit) => {
    const pair = unpackPair(kind, temporaryDirectory())
    const cow = pair.paths.overlays[0] as string
    const { offset } = fieldOf(pair.overlays[0]?.header)
    const before = readFileSync(cow)
    const tooLong = umlcow(['rebase', '-u', '-b', pathOfLength(limit + 1), cow])
    expectPlainFailure(tooLong, 1)
    expect(tooLong.stderr).toContain(`has ${limit + 1} bytes, the header holds ${limit}`)
    expect(readFileSync(cow).equals(before)).toBe(true)
    expect(umlcow(['rebase', '-u', '-b', pathOfLength(limit), cow]).status).toBe(0)
    expect(readFileSync(cow).equals(withPath(before, offset, pathOfLength(limit)))).toBe(true)
    expect(storedPath(cow, offset)).toHaveLength(limit)
    // Bytes count, not characters.
    const manyBytes = `${pathOfLength(limit - 1)}é`
    expectPlainFailure(umlcow(['rebase', '-u', '-b', manyBytes, cow]), 1)
    expect(storedPath(cow, offset)).toHaveLength(limit)
  })
})

describe('what rebase -u tells', () => {
  it('in a line, in JSON, or not at all', () => {
    const { cow, backing, directory } = makeScene({ header: '/srv/old' })
    expect(umlcow(['rebase', '-u', '-b', backing, cow])).toEqual({
      status: 0,
      signal: null,
      stdout: `${cow}: backing file is ${backing}, was /srv/old\n`,
      stderr: '',
    })
    const again = umlcow(['rebase', '--unsafe', '--backing', backing, cow])
    expect(again.stdout).toBe(`${cow}: its backing file is ${backing} already\n`)
    const copy = path.join(directory, 'copy')
    copyFileSync(backing, copy)
    setMtime(copy)
    expect(JSON.parse(umlcow(['rebase', '--json', '-u', '-b', copy, cow]).stdout)).toEqual({
      filename: cow,
      'old-backing-filename': backing,
      'backing-filename': copy,
      'old-backing-mtime': pairMtime,
      'backing-mtime': pairMtime,
      changed: true,
      'dry-run': false,
      warnings: [],
    })
    expect(umlcow(['rebase', '-q', '-u', '-b', backing, cow])).toMatchObject({ status: 0, stdout: '', stderr: '' })
    expect(umlcow(['merge', cow, '-']).status).toBe(0)
  })

  it('nothing is written when nothing changes', () => {
    const { cow, backing } = makeScene()
    keepsUntouched(cow, backing)
    expect(umlcow(['rebase', '-u', '-b', backing, cow]).status).toBe(0)
  })

  it('--dry-run writes nothing, and refuses what would be refused', () => {
    const { cow, backing, directory } = makeScene({ header: '/srv/old' })
    keepsUntouched(cow, backing)
    const outcome = umlcow(['rebase', '--dry-run', '-u', '-b', backing, cow])
    expect(outcome.stdout).toBe(`${cow}: backing file would be ${backing}, was /srv/old\n`)
    expect(JSON.parse(umlcow(['rebase', '-n', '--json', '-u', '-b', backing, cow]).stdout)).toMatchObject({
      changed: true,
      'dry-run': true,
    })
    expectPlainFailure(umlcow(['rebase', '-n', '-u', '-b', cow, cow]), 4)
    expectPlainFailure(umlcow(['rebase', '-n', '-u', '-b', pathOfLength(4000).repeat(2), cow]), 1)
    expect(namesIn(directory)).toEqual(['cow', 'root_fs'])
  })
})

describe('the new backing file', () => {
  it('that does not exist is a warning, and is written', () => {
    const { cow } = makeScene()
    const outcome = umlcow(['rebase', '-u', '-b', '/srv/later/root_fs', cow])
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toBe(
      'umlcow: warning: /srv/later/root_fs: does not exist here; the path is written as it is\n',
    )
    expect(storedPath(cow)).toBe('/srv/later/root_fs')
    expect(umlcow(['rebase', '-q', '-u', '-b', '/srv/even/later', cow]).stderr).toBe('')
  })

  it('of another mtime is a warning; the header keeps its own', () => {
    const { cow, backing, directory } = makeScene()
    const other = path.join(directory, 'other')
    copyFileSync(backing, other)
    setMtime(other, pairMtime + 5)
    const before = readFileSync(cow)
    const outcome = umlcow(['rebase', '-u', '-b', other, cow])
    expect(outcome.status).toBe(0)
    expect(outcome.stderr).toMatch(/^umlcow: warning: .*the header keeps its own/)
    expect(readFileSync(cow).equals(withPath(before, 32, other))).toBe(true)
    expectPlainFailure(umlcow(['merge', cow, path.join(directory, 'merged')]), 4)
  })

  it.each(['v1-big', 'v1-hybrid', 'v2-little-magic', 'v3', 'v3-padded64'])(
    '%s takes its mtime with --force=mtime, in the byte order of the header, and says what that risks',
    (kind) => {
      const directory = temporaryDirectory()
      const { paths } = unpackPair(kind, directory)
      const cow = paths.overlays[0] as string
      const other = path.join(directory, 'other')
      copyFileSync(paths.backing, other)
      setMtime(other, pairMtime + 70_000)
      const outcome = umlcow(['rebase', '-u', '--force=mtime', '-b', other, cow])
      expect(outcome.status).toBe(0)
      expect(outcome.stderr).toMatch(/^umlcow: warning: .*2024-05-02T07:26:40Z; if the new backing file does not hold/)
      const { data } = JSON.parse(umlcow(['info', '--json', cow]).stdout)['format-specific']
      expect(data).toMatchObject({ 'backing-mtime': pairMtime + 70_000, 'backing-state': 'ok' })
    },
  )

  it('of another size is refused, unless --force=size', () => {
    const { cow, backing } = makeScene({ header: '/srv/old' })
    truncateSync(backing, 1000)
    setMtime(backing)
    const before = stateOf(cow)
    const outcome = umlcow(['rebase', '-u', '-b', backing, cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain('expected 307712, got 1000')
    expectPlainFailure(umlcow(['rebase', '-u', '--force=mtime,in-use', '-b', backing, cow]), 4)
    expect(stateOf(cow)).toEqual(before)
    const forced = umlcow(['rebase', '-u', '--force=size', '-b', backing, cow])
    expect(forced.status).toBe(0)
    expect(forced.stderr).toMatch(/^umlcow: warning: .*its size is not the one in the header/)
    expect(storedPath(cow)).toBe(backing)
  })

  it('that is the overlay itself, a directory or a device is refused', () => {
    const { cow, directory } = makeScene()
    symlinkSync('cow', path.join(directory, 'link'))
    keepsUntouched(cow)
    for (const backing of [cow, path.join(directory, 'link'), directory, '/dev/null']) {
      expectPlainFailure(umlcow(['rebase', '-u', '--force=mtime,size,in-use', '-b', backing, cow]), 4)
    }
  })

  it('with an empty name is refused', () => {
    const { cow } = makeScene()
    keepsUntouched(cow)
    expect([1, 64]).toContain(umlcow(['rebase', '-u', '-b', '', cow]).status)
  })
})

describe('how the path is stored', () => {
  it('as typed', () => {
    const { cow, directory } = makeScene()
    expect(umlcow(['rebase', '-u', '-b', './root_fs', 'cow'], { cwd: directory }).status).toBe(0)
    expect(storedPath(cow)).toBe('./root_fs')
    expect(umlcow(['merge', cow, '-'], { cwd: temporaryDirectory() }).status).toBe(0)
  })

  it('--relative leads there from anywhere', () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'machines', 'node0'), { recursive: true })
    mkdirSync(path.join(directory, 'images'))
    const { cow: made, backing } = makeScene({ directory: path.join(directory, 'images') })
    const cow = path.join(directory, 'machines', 'node0', 'cow')
    copyFileSync(made, cow)
    rmSync(made)
    symlinkSync('images', path.join(directory, 'link'))
    for (const given of ['images/root_fs', 'link/root_fs', backing]) {
      expect(umlcow(['rebase', '-u', '--relative', '-b', given, cow], { cwd: directory }).status).toBe(0)
      expect(storedPath(cow)).toBe('../../images/root_fs')
      expect(umlcow(['merge', '-n', cow, '-'], { cwd: '/' }).status).toBe(0)
    }
  })

  it('--chroot is as seen in the jail', () => {
    const jail = temporaryDirectory()
    mkdirSync(path.join(jail, 'images'))
    const { cow, backing } = makeScene({ directory: path.join(jail, 'images') })
    expect(umlcow(['rebase', '-u', '--chroot', jail, '-b', backing, cow]).status).toBe(0)
    expect(storedPath(cow)).toBe('/images/root_fs')
    expect(umlcow(['merge', '-n', '--backing-root', jail, cow, '-']).status).toBe(0)
    const outside = makeScene()
    expectPlainFailure(umlcow(['rebase', '-u', '--chroot', jail, '-b', outside.backing, cow]), 4)
    expect(storedPath(cow)).toBe('/images/root_fs')
  })
})

describe('the overlay', () => {
  it('that a process has open for writing is refused, unless --force=in-use', async () => {
    const { cow, backing } = makeScene({ header: '/srv/old' })
    const pid = await holdOpen(cow)
    const before = stateOf(cow)
    const outcome = umlcow(['rebase', '-u', '-b', backing, cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`${cow}: is open for writing by process ${pid}`)
    expectPlainFailure(umlcow(['rebase', '-u', '--force=mtime,size', '-b', backing, cow]), 4)
    expect(stateOf(cow)).toEqual(before)
    expect(umlcow(['rebase', '-u', '--force=in-use', '-b', backing, cow]).status).toBe(0)
    expect(storedPath(cow)).toBe(backing)
  })

  it('that a process has open for writing is refused, too, when the new backing file does not exist here', async () => {
    const { cow } = makeScene()
    const pid = await holdOpen(cow)
    keepsUntouched(cow)
    const outcome = umlcow(['rebase', '-u', '-b', '/srv/later/root_fs', cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`process ${pid}`)
  })

  it('that is only read is no reason', async () => {
    const { cow, backing } = makeScene({ header: '/srv/old' })
    await holdOpen(cow, 'r')
    expect(umlcow(['rebase', '-u', '-b', backing, cow]).status).toBe(0)
  })

  it('keeps what lies behind its data', () => {
    const { cow, backing } = makeScene({ header: '/srv/old' })
    appendFileSync(cow, 'behind the end')
    const before = readFileSync(cow)
    expect(umlcow(['rebase', '-u', '-b', backing, cow]).status).toBe(0)
    expect(readFileSync(cow).equals(withPath(before, 32, backing))).toBe(true)
  })

  it('that is none is status 63, a missing one fails', () => {
    const { backing, directory } = makeScene()
    keepsUntouched(backing)
    expectPlainFailure(umlcow(['rebase', '-u', '-b', 'x', backing]), 63)
    expectPlainFailure(umlcow(['rebase', '-u', '-b', 'x', path.join(directory, 'missing')]), 1)
    expectPlainFailure(umlcow(['rebase', '-u', '-b', 'x', directory]), 1)
  })

  it.runIf(process.getuid?.() !== 0)('that may only be read is refused, unchanged', () => {
    const { cow, backing } = makeScene({ header: '/srv/old' })
    chmodSync(cow, 0o444)
    keepsUntouched(cow)
    const outcome = umlcow(['rebase', '-u', '-b', backing, cow])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toContain(`${cow}: cannot be opened for writing: Permission denied`)
  })
})
