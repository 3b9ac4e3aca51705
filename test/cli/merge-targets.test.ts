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

describe('a target that is the backing file', () => {
  const inPlace = /which is the backing file, in place, is not available in this release; nothing was changed/

  it('is refused by any name, with a sentence', () => {
    const scene = makeScene()
    symlinkSync('root_fs', path.join(scene.directory, 'symbolic'))
    keepsUntouched(scene.cow, scene.backing)
    expectRefused(scene, scene.backing, inPlace)
    expectRefused(scene, path.join(scene.directory, 'symbolic'), inPlace)
    const plain = umlcow(['merge', scene.cow, scene.backing])
    expect(plain.stderr).toMatch(inPlace)
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs', 'symbolic'])
  })

  it('is refused by a hard link, and when it is named with -b', () => {
    const scene = makeScene()
    const hard = path.join(scene.directory, 'hard')
    linkSync(scene.backing, hard)
    keepsUntouched(scene.cow, scene.backing)
    expectRefused(scene, hard, inPlace)
    expectRefused(scene, scene.backing, inPlace, ['-b', hard])
  })

  it('is refused when it does not fit the overlay, too', () => {
    const scene = makeScene()
    setMtime(scene.backing, 5)
    keepsUntouched(scene.cow, scene.backing)
    expectRefused(scene, scene.backing, inPlace)
  })

  it('-d is refused the same, with or without a target', () => {
    const scene = makeScene()
    keepsUntouched(scene.cow, scene.backing)
    for (const args of [
      ['-d', scene.cow],
      ['--in-place', scene.cow],
      ['-d', scene.cow, scene.target],
    ]) {
      const outcome = umlcow(['merge', ...args])
      expectPlainFailure(outcome, 4)
      expect(outcome.stderr).toMatch(/into the backing file, in place, is not available in this release/)
    }
    expect(JSON.parse(umlcow(['merge', '--json', '-d', scene.cow]).stdout).error.code).toBe('IN_PLACE_UNAVAILABLE')
    expect(namesIn(scene.directory)).toEqual(['cow', 'root_fs'])
  })

  it('is refused when it is a lower layer of a chain', () => {
    const scene = makeScene()
    const top = path.join(scene.directory, 'top')
    setMtime(scene.cow)
    writeOverlay(top, { virtualSize: scene.virtualSize, backing: scene.cow })
    keepsUntouched(scene.cow, scene.backing, top)
    const outcome = umlcow(['merge', '--chain', '--overwrite', top, scene.backing])
    expectPlainFailure(outcome, 4)
    expectPlainFailure(umlcow(['merge', '--chain', '--overwrite', top, scene.cow]), 4)
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
