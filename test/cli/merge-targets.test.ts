import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { umlcow } from '../support/command.js'
import { temporaryDirectory } from '../support/paths.js'
import {
  expectPlainFailure,
  keepsUntouched,
  makeScene,
  namesIn,
  runWith,
  type Scene,
  setMtime,
  shell,
  writeOverlay,
} from './scene.js'

/** Each is refused with status 4, with and without --overwrite, and nothing changes. */
function expectRefused(scene: Scene, target: string, says: RegExp, args: string[] = []): void {
  for (const overwrite of [[], ['--overwrite', '--force=mtime,size,in-use']]) {
    const outcome = umlcow(['merge', ...overwrite, ...args, scene.cow, target])
    expectPlainFailure(outcome, 4)
    expect(outcome.stdout).toBe('')
    if (overwrite.length > 0) expect(outcome.stderr).toMatch(says)
  }
}

describe('a target that exists', () => {
  it('is kept without --overwrite, and replaced with it', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    writeFileSync(scene.target, 'precious', { mode: 0o640 })
    const outcome = umlcow(['merge', scene.cow, scene.target])
    expectPlainFailure(outcome, 4)
    expect(outcome.stderr).toBe(`umlcow: ${scene.target}: exists already\numlcow: use --overwrite to replace it\n`)
    expect(readFileSync(scene.target, 'utf8')).toBe('precious')
    expect(umlcow(['merge', '--overwrite', scene.cow, scene.target]).status).toBe(0)
    expect(readFileSync(scene.target).equals(scene.merged)).toBe(true)
    expect(statSync(scene.target).mode & 0o777).toBe(0o640)
    expect(namesIn(scene.directory)).toEqual(['cow', 'merged', 'root_fs'])
  })

  it('behind a link is replaced where it is', () => {
    const scene = makeScene()
    mkdirSync(path.join(scene.directory, 'sub'))
    writeFileSync(path.join(scene.directory, 'sub', 'real'), 'old')
    symlinkSync('sub/real', scene.target)
    expectPlainFailure(umlcow(['merge', scene.cow, scene.target]), 4)
    expect(umlcow(['merge', '--overwrite', scene.cow, scene.target]).status).toBe(0)
    expect(readFileSync(path.join(scene.directory, 'sub', 'real')).equals(scene.merged)).toBe(true)
    expect(namesIn(path.join(scene.directory, 'sub'))).toEqual(['real'])
  })

  it('that is a directory, a device, a FIFO or a dangling link is refused', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    expect(shell('mkfifo fifo; ln -s nowhere dangling; mkdir d', scene.directory).status).toBe(0)
    const inside = (name: string) => path.join(scene.directory, name)
    expectRefused(scene, inside('d'), /is a directory/)
    expectRefused(scene, inside('fifo'), /not a regular file/)
    expectRefused(scene, inside('dangling'), /link to a file that does not exist/)
    expectRefused(scene, '/dev/null', /not a regular file/)
    expect(namesIn(scene.directory)).toEqual(['cow', 'd', 'dangling', 'fifo', 'root_fs'])
  })

  it('that is an overlay is refused, also a damaged one and one elsewhere', () => {
    const scene = makeScene()
    const other = makeScene()
    keepsUntouched(scene.cow, scene.backing, other.cow)
    expectRefused(scene, other.cow, /is an overlay/)
    symlinkSync(other.cow, scene.target)
    expectRefused(scene, scene.target, /is an overlay/)
    const damaged = path.join(scene.directory, 'damaged')
    writeFileSync(damaged, readFileSync(other.cow).subarray(0, 100))
    keepsUntouched(damaged)
    expectRefused(scene, damaged, /is an overlay/)
  })

  it('that is the backing file of an overlay beside it is refused', () => {
    const scene = makeScene()
    const other = makeScene()
    keepsUntouched(scene.cow, scene.backing, other.cow, other.backing)
    expectRefused(scene, other.backing, /root_fs: is the backing file of the overlay .*cow$/m)
    const link = path.join(scene.directory, 'link')
    symlinkSync(other.backing, link)
    expectRefused(scene, link, /is the backing file of the overlay/)
  })

  it('that is the backing file of an overlay beside it by a relative path, or a stale one, is refused', () => {
    const scene = makeScene()
    const directory = temporaryDirectory()
    const image = path.join(directory, 'image')
    writeFileSync(image, 'x'.repeat(1000))
    setMtime(image, 12_345)
    writeOverlay(path.join(directory, 'some.cow'), { virtualSize: 512_000, backing: './image' })
    keepsUntouched(image)
    expectRefused(scene, image, /is the backing file of the overlay .*some\.cow$/m)
  })

  it('that nothing needs is replaced although other overlays are around', () => {
    const scene = makeScene()
    const directory = temporaryDirectory()
    const image = path.join(directory, 'image')
    writeFileSync(image, 'old')
    writeOverlay(path.join(directory, 'some.cow'), { virtualSize: 4096, backing: '/srv/uml/image' })
    writeFileSync(path.join(directory, 'damaged.cow'), 'OOOM')
    expect(shell('mkfifo fifo; ln -s fifo link; mkdir d', directory).status).toBe(0)
    expect(umlcow(['merge', '--overwrite', scene.cow, image]).status).toBe(0)
    expect(readFileSync(image).equals(scene.merged)).toBe(true)
  })
})

describe('a target that is the overlay', () => {
  it('is refused by any name', () => {
    const scene = makeScene()
    symlinkSync('cow', path.join(scene.directory, 'symbolic'))
    keepsUntouched(scene.cow, scene.backing)
    expectRefused(scene, scene.cow, /cow: is the same file as the input .*cow$/m)
    expectRefused(scene, path.join(scene.directory, 'symbolic'), /is the same file as the input/)
  })

  it('is refused by a hard link', () => {
    const scene = makeScene()
    const hard = path.join(scene.directory, 'hard')
    linkSync(scene.cow, hard)
    keepsUntouched(scene.cow, scene.backing)
    expectRefused(scene, hard, /is the same file as the input/)
  })
})

/** The header's mtime, in version 3. */
function headerMtime(cow: string): number {
  return readFileSync(cow).readUInt32BE(8)
}

/** Each merges in place: the backing file holds what the guest saw, and the overlay still fits it. */
function expectInPlace(scene: Scene, args: string[]): void {
  const { ino, nlink } = statSync(scene.backing)
  const outcome = umlcow(args, { cwd: scene.directory })
  const warning =
    /^umlcow: warning: .*: has 2 names; umlcow looked for an unfinished merge by another name in .* only\n$/
  expect(outcome).toMatchObject({ status: 0, stderr: nlink === 1 ? '' : expect.stringMatching(warning) })
  expect(readFileSync(scene.backing).equals(scene.merged)).toBe(true)
  expect(statSync(scene.backing).ino).toBe(ino)
  expect(statSync(scene.backing).mtimeMs).toBe(headerMtime(scene.cow) * 1000)
}

describe('a target that is the backing file', () => {
  it.each([[[]], [['-d']], [['--in-place']], [['--overwrite', '--force=mtime,in-use']]])(
    'is merged into in place, by any name: %j',
    (options) => {
      for (const name of ['root_fs', './root_fs', 'symbolic', 'hard']) {
        const scene = makeScene()
        symlinkSync('root_fs', path.join(scene.directory, 'symbolic'))
        linkSync(scene.backing, path.join(scene.directory, 'hard'))
        expectInPlace(scene, ['merge', ...options, 'cow', name])
        expect(namesIn(scene.directory)).toEqual(['cow', 'hard', 'root_fs', 'symbolic'])
      }
    },
  )

  it('is merged into in place when it is named with -b by another name', () => {
    const scene = makeScene()
    linkSync(scene.backing, path.join(scene.directory, 'hard'))
    expectInPlace(scene, ['merge', '-b', 'hard', 'cow', 'root_fs'])
  })

  it('-d does without a target', () => {
    const scene = makeScene()
    expectInPlace(scene, ['merge', '-d', 'cow'])
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('-d takes no other target', () => {
    const scene = makeScene()
    writeFileSync(scene.target, 'precious')
    keepsUntouched(scene.cow, scene.backing, scene.target)
    for (const target of ['merged', 'missing', '-', 'cow']) {
      const outcome = umlcow(['merge', '-d', 'cow', target], { cwd: scene.directory })
      expectPlainFailure(outcome, 64)
      expect(outcome.stderr).toContain('merge -d takes no target')
    }
  })

  it('is refused when it does not fit the overlay', () => {
    const scene = makeScene()
    setMtime(scene.backing, 5)
    keepsUntouched(scene.cow, scene.backing)
    for (const args of [
      ['cow', 'root_fs'],
      ['-d', 'cow'],
      ['--overwrite', '--force=in-use,siblings', 'cow', 'root_fs'],
    ]) {
      const outcome = umlcow(['merge', '--json', ...args], { cwd: scene.directory })
      expectPlainFailure(outcome, 4)
      expect(JSON.parse(outcome.stdout).error.code).toBe('BACKING_MTIME')
    }
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('is refused when it is a lower layer of a chain', () => {
    const scene = makeScene()
    const top = path.join(scene.directory, 'top')
    setMtime(scene.cow)
    writeOverlay(top, { virtualSize: scene.virtualSize, backing: scene.cow })
    keepsUntouched(scene.cow, scene.backing, top)
    const code = (...args: string[]) => {
      const outcome = umlcow(['merge', '--json', ...args])
      expectPlainFailure(outcome, 4)
      return JSON.parse(outcome.stdout).error.code
    }
    expect(code('--chain', '--overwrite', top, scene.backing)).toBe('SAME_FILE')
    // The overlay in the middle is the backing file, and no raw image.
    expect(code('--overwrite', top, scene.cow)).toBe('BACKING_SIZE')
    expect(code('-d', '--force=mtime', top)).toBe('BACKING_SIZE')
    const outcome = umlcow(['merge', '-d', top])
    expect(outcome.stderr).toContain('is itself a COW file; such chains cannot be merged in place')
  })
})

describe('a target that is the backing file in the header, while another is given with -b', () => {
  it('is refused wherever it lies, by any name', () => {
    const scene = makeScene()
    const elsewhere = makeScene()
    writeOverlay(scene.cow, { virtualSize: scene.virtualSize, backing: elsewhere.backing })
    const copy = path.join(scene.directory, 'copy')
    writeFileSync(copy, scene.backingBytes)
    setMtime(copy)
    rmSync(elsewhere.cow)
    keepsUntouched(scene.cow, scene.backing, copy, elsewhere.backing)
    expectRefused(scene, elsewhere.backing, /is the backing file/, ['-b', copy])
    const link = path.join(scene.directory, 'link')
    symlinkSync(elsewhere.backing, link)
    expectRefused(scene, link, /is the backing file/, ['-b', copy])
  })
})

describe('standard output that is an input', () => {
  it.each(['cow', 'backing'] as const)('is refused: %s', (input) => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    for (const flags of ['r+', 'a']) {
      const fd = openSync(scene[input], flags)
      const outcome = runWith(['ignore', fd, 'pipe'], ['merge', scene.cow, '-'])
      closeSync(fd)
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr).toMatch(/standard output: is the same file as the input/)
    }
  })

  it('is refused through a hard link', () => {
    const scene = makeScene()
    linkSync(scene.backing, path.join(scene.directory, 'hard'))
    keepsUntouched(scene.cow, scene.backing)
    const outcome = shell('umlcow merge cow - 1<> hard', scene.directory)
    expectPlainFailure(outcome, 4)
  })

  it('is refused for a lower layer of a chain', () => {
    const scene = makeScene()
    setMtime(scene.cow)
    writeOverlay(path.join(scene.directory, 'top'), { virtualSize: scene.virtualSize, backing: scene.cow })
    keepsUntouched(scene.cow, scene.backing)
    expectPlainFailure(shell('umlcow merge --chain top - 1<> root_fs', scene.directory), 4)
  })
})

describe('standard output that is closed', () => {
  it('is a failure of merge and of humfs export, and of a dry run', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    for (const command of ['merge cow -', 'merge -n cow -', 'humfs export --from directory --to tar - .']) {
      const outcome = shell(`umlcow ${command} >&-`, scene.directory)
      expectPlainFailure(outcome, 1)
      expect(outcome.stderr).toMatch(/^umlcow: standard output: is closed\n/)
    }
  })

  it('is not /dev/null, where an image may go', () => {
    const scene = makeScene()
    const outcome = shell('umlcow merge cow - > /dev/null && umlcow merge cow - >> /dev/null', scene.directory)
    expect(outcome).toMatchObject({ status: 0, stderr: '' })
  })
})
