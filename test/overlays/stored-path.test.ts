import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { localHostFiles } from '../../src/machine/host-files.js'
import { resolveBackingPath } from '../../src/overlays/resolve-backing.js'
import { type PathStyle, storedBackingPath } from '../../src/overlays/stored-path.js'
import { runs } from '../support/amount.js'
import { temporaryDirectory } from '../support/paths.js'

/** Two directories with a file each, a link to one of them, and the current directory above. */
function scene(): string {
  const directory = temporaryDirectory()
  mkdirSync(path.join(directory, 'vm/cows'), { recursive: true })
  mkdirSync(path.join(directory, 'images'))
  writeFileSync(path.join(directory, 'images/root_fs'), 'x')
  writeFileSync(path.join(directory, 'vm/cows/cow'), 'x')
  symlinkSync('images', path.join(directory, 'link'))
  symlinkSync('root_fs', path.join(directory, 'images/latest'))
  const before = process.cwd()
  onTestFinished(() => process.chdir(before))
  process.chdir(directory)
  return directory
}

async function stored(overlay: string, backing: string | Buffer, style: PathStyle): Promise<string> {
  return (await storedBackingPath(localHostFiles, overlay, backing, style)).toString('latin1')
}

describe('absolute', () => {
  test('from the root directory, links in its directory resolved, the file\u2019s own name kept', async () => {
    const directory = scene()
    const style = { kind: 'absolute' } as const
    for (const typed of [
      'images/root_fs',
      './images/root_fs',
      'link/root_fs',
      'vm/../images/root_fs',
      'images//root_fs',
    ]) {
      expect(await stored('vm/cows/cow', typed, style)).toBe(`${directory}/images/root_fs`)
    }
    expect(await stored('cow', path.join(directory, 'link/root_fs'), style)).toBe(`${directory}/images/root_fs`)
    expect(await stored('cow', 'link/latest', style)).toBe(`${directory}/images/latest`)
    expect(await stored('cow', 'images/not there yet', style)).toBe(`${directory}/images/not there yet`)
    expect(await stored('cow', 'plain', style)).toBe(`${directory}/plain`)
    expect(await stored('cow', '/root_fs', style)).toBe('/root_fs')
  })

  test('has an error when a directory on the way does not exist', async () => {
    scene()
    await expect(stored('cow', 'no/root_fs', { kind: 'absolute' })).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('as typed is what was typed, byte for byte', async () => {
  scene()
  for (const typed of ['link//../images/./root_fs', 'no/such', '', ' x ']) {
    expect(await stored('vm/cows/cow', typed, { kind: 'asTyped' })).toBe(typed)
  }
  expect(await stored('cow', Buffer.of(0xff, 0x2f, 0xfe), { kind: 'asTyped' })).toBe('\xff/\xfe')
})

describe('relative', () => {
  test.each([
    ['vm/cows/cow', 'images/root_fs', '../../images/root_fs'],
    ['images/cow', 'images/root_fs', 'root_fs'],
    ['cow', 'images/root_fs', 'images/root_fs'],
    ['images/cow', 'vm/cows/cow', '../vm/cows/cow'],
    ['link/cow', 'images/root_fs', 'root_fs'],
    ['vm/cows/cow', 'vm/root_fs', '../root_fs'],
    ['vm/cows/cow', 'link/latest', '../../images/latest'],
  ])('from %s to %s is %s', async (overlay, backing, expected) => {
    scene()
    expect(await stored(overlay, backing, { kind: 'relative' })).toBe(expected)
  })

  test('leads to the file from wherever the overlay is', async () => {
    const directory = scene()
    const place = fc.constantFrom('.', 'vm', 'vm/cows', 'images', 'link', 'vm/../link')
    const property = fc.asyncProperty(place, place, async (overlayPlace, backingPlace) => {
      writeFileSync(path.join(directory, backingPlace, 'disk'), 'x')
      const overlay = path.join(directory, overlayPlace, 'cow')
      const headerPath = await storedBackingPath(localHostFiles, overlay, path.join(backingPlace, 'disk'), {
        kind: 'relative',
      })
      expect(headerPath[0]).not.toBe(0x2f)
      // From another current directory, so that only the way from the overlay counts.
      process.chdir('/')
      const found = await resolveBackingPath(localHostFiles, overlay, headerPath)
      process.chdir(directory)
      expect(found?.facts).toEqual(await localHostFiles.stat(path.join(directory, backingPlace, 'disk')))
    })
    await fc.assert(property, { numRuns: runs(60) })
  })
})

describe('as a process in a jail sees it', () => {
  test('starts at the jail', async () => {
    const directory = scene()
    const jail = (root: string): PathStyle => ({ kind: 'chroot', jail: root })
    expect(await stored('cow', 'images/root_fs', jail(directory))).toBe('/images/root_fs')
    expect(await stored('cow', 'link/root_fs', jail('.'))).toBe('/images/root_fs')
    expect(await stored('cow', 'images/root_fs', jail('images'))).toBe('/root_fs')
    expect(await stored('cow', 'images/root_fs', jail('link/'))).toBe('/root_fs')
    expect(await stored('cow', 'images/root_fs', jail('/'))).toBe(`${directory}/images/root_fs`)
  })

  test('is refused outside it, also beside it with a name that starts alike', async () => {
    const directory = scene()
    mkdirSync(path.join(directory, 'images2'))
    for (const jail of ['vm', 'images2', 'vm/cows']) {
      await expect(stored('cow', 'images/root_fs', { kind: 'chroot', jail })).rejects.toMatchObject({
        code: 'BACKING_OUTSIDE_ROOT',
      })
    }
    await expect(stored('cow', 'images2/root_fs', { kind: 'chroot', jail: 'images' })).rejects.toMatchObject({
      code: 'BACKING_OUTSIDE_ROOT',
    })
    await expect(stored('cow', 'images/root_fs', { kind: 'chroot', jail: 'none' })).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })

  test('leads back to the file inside the jail', async () => {
    const directory = scene()
    const headerPath = await storedBackingPath(localHostFiles, 'cow', 'images/root_fs', {
      kind: 'chroot',
      jail: directory,
    })
    const found = await resolveBackingPath(localHostFiles, 'cow', headerPath, { backingRoot: directory })
    expect(found?.path.toString()).toBe(`${directory}/images/root_fs`)
  })
})
