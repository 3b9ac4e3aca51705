import { spawnSync } from 'node:child_process'
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { localHostFiles } from '../../src/machine/host-files.js'
import { type ResolveOptions, resolveBackingPath } from '../../src/overlays/resolve-backing.js'
import { hookedFiles, injected } from '../support/hooked-files.js'
import { temporaryDirectory } from '../support/paths.js'

/** Makes files with their own name as content, and the directories they need. */
function populate(directory: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true })
    writeFileSync(path.join(directory, name), name)
  }
}

function goTo(directory: string): void {
  const before = process.cwd()
  onTestFinished(() => process.chdir(before))
  process.chdir(directory)
}

async function resolve(overlay: string, headerPath: string | Buffer, options?: ResolveOptions): Promise<string | null> {
  const found = await resolveBackingPath(localHostFiles, overlay, Buffer.from(headerPath as string), options)
  return found === null ? null : found.path.toString('latin1')
}

describe('without a root', () => {
  test('an absolute path is taken as it stands', async () => {
    const directory = temporaryDirectory()
    populate(directory, ['a/root_fs', 'b/cow'])
    const backing = path.join(directory, 'a/root_fs')
    expect(await resolve(path.join(directory, 'b/cow'), backing)).toBe(backing)
    expect(await resolve(path.join(directory, 'b/cow'), `${directory}/b/../a/root_fs`)).toBe(
      `${directory}/b/../a/root_fs`,
    )
    expect(await resolve(path.join(directory, 'b/cow'), `${directory}/missing`)).toBeNull()
  })

  test('a relative path is looked for beside the overlay, then in the current directory', async () => {
    const directory = temporaryDirectory()
    populate(directory, ['vm/cow', 'vm/sub/beside', 'here/sub/current'])
    goTo(path.join(directory, 'here'))
    const overlay = path.join(directory, 'vm/cow')
    expect(await resolve(overlay, 'sub/beside')).toBe(path.join(directory, 'vm/sub/beside'))
    expect(await resolve(overlay, 'sub/current')).toBe('sub/current')
    expect(await resolve(overlay, '../here/sub/current')).toBe(`${directory}/vm/../here/sub/current`)
    expect(await resolve(overlay, 'sub/neither')).toBeNull()
    expect(await resolve('../vm/cow', 'sub/beside')).toBe('../vm/sub/beside')
  })

  test('beside an overlay without a directory in its name is the current directory', async () => {
    const directory = temporaryDirectory()
    populate(directory, ['cow', 'root_fs'])
    goTo(directory)
    expect(await resolve('cow', 'root_fs')).toBe('./root_fs')
  })

  test('two different files of that name are refused, one file by two names is not', async () => {
    const directory = temporaryDirectory()
    populate(directory, ['vm/cow', 'vm/root_fs', 'vm/linked', 'here/root_fs'])
    linkSync(path.join(directory, 'vm/linked'), path.join(directory, 'here/linked'))
    goTo(path.join(directory, 'here'))
    const overlay = path.join(directory, 'vm/cow')
    await expect(resolve(overlay, 'root_fs')).rejects.toMatchObject({
      code: 'BACKING_AMBIGUOUS',
      hint: 'say which one with -b',
      details: { headerPath: 'root_fs' },
    })
    expect(await resolve(overlay, 'linked')).toBe(path.join(directory, 'vm/linked'))
  })

  test('only the current directory counts for those who want it as the kernel has it', async () => {
    const directory = temporaryDirectory()
    populate(directory, ['vm/cow', 'vm/root_fs', 'vm/beside', 'here/root_fs'])
    goTo(path.join(directory, 'here'))
    const overlay = path.join(directory, 'vm/cow')
    const options = { relativeTo: 'currentDirectory' } as const
    expect(await resolve(overlay, 'root_fs', options)).toBe('root_fs')
    expect(await resolve(overlay, 'beside', options)).toBeNull()
    expect(await resolve(overlay, `${directory}/vm/beside`, options)).toBe(`${directory}/vm/beside`)
  })

  test('an empty path leads nowhere, not to a directory', async () => {
    expect(await resolve(path.join(temporaryDirectory(), 'cow'), '')).toBeNull()
  })

  test('a name of bytes that are no text is found', async () => {
    const directory = temporaryDirectory()
    const name = Buffer.of(0x72, 0xff, 0xfe)
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), 'x')
    expect(await resolve(path.join(directory, 'cow'), name)).toBe(`${directory}/r\xff\xfe`)
    expect(await resolve(path.join(directory, 'cow'), Buffer.of(0x72, 0xff, 0xfd))).toBeNull()
  })

  test('a path that cannot exist is missing: through a file, too long', async () => {
    const directory = temporaryDirectory()
    populate(directory, ['cow', 'file'])
    const overlay = path.join(directory, 'cow')
    expect(await resolve(overlay, 'file/root_fs')).toBeNull()
    expect(await resolve(overlay, 'x'.repeat(300))).toBeNull()
    expect(await resolve(overlay, `/${'x/'.repeat(2047)}`)).toBeNull()
  })

  test('what cannot be looked at is an error, not a missing file', async () => {
    const directory = temporaryDirectory()
    symlinkSync('loop', path.join(directory, 'loop'))
    await expect(resolve(path.join(directory, 'cow'), path.join(directory, 'loop'))).rejects.toMatchObject({
      code: 'ELOOP',
    })
    const failing = hookedFiles((call) => {
      if (call.startsWith('stat')) throw injected('EACCES')
    })
    const found = resolveBackingPath(failing, path.join(directory, 'cow'), Buffer.from('root_fs'))
    await expect(found).rejects.toMatchObject({ code: 'EACCES' })
  })
})

describe('inside a root', () => {
  /** A jail with a disk in it, and another of the same name outside. */
  function jail() {
    const directory = temporaryDirectory()
    populate(directory, ['jail/srv/root_fs', 'jail/cow', 'srv/root_fs', 'outside'])
    const backingRoot = path.join(directory, 'jail')
    const inside = (headerPath: string | Buffer) => resolve(path.join(backingRoot, 'cow'), headerPath, { backingRoot })
    return { directory, backingRoot, inside }
  }

  test('an absolute and a relative path start at the root', async () => {
    const { backingRoot, inside } = jail()
    expect(await inside('/srv/root_fs')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('srv/root_fs')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('/srv/./root_fs')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('/missing/root_fs')).toBeNull()
    expect(await inside('/srv/missing')).toBeNull()
  })

  test('.. stops at the root', async () => {
    const { backingRoot, inside } = jail()
    expect(await inside('../outside')).toBeNull()
    expect(await inside('/../../../outside')).toBeNull()
    expect(await inside('/../srv/root_fs')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('/srv/../srv/root_fs')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('/srv/../../srv/root_fs')).toBe(`${backingRoot}/srv/root_fs`)
  })

  test('an absolute link starts at the root again, and cannot leave it', async () => {
    const { directory, backingRoot, inside } = jail()
    symlinkSync('/srv/root_fs', path.join(backingRoot, 'good'))
    symlinkSync('/srv', path.join(backingRoot, 'dir'))
    symlinkSync(path.join(directory, 'outside'), path.join(backingRoot, 'absolute'))
    symlinkSync('../outside', path.join(backingRoot, 'up'))
    symlinkSync('/', path.join(backingRoot, 'srv/top'))
    expect(await inside('/good')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('/dir/root_fs')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('/absolute')).toBeNull()
    expect(await inside('/up')).toBeNull()
    expect(await inside('/srv/top/outside')).toBeNull()
    expect(await inside('/srv/top/good')).toBe(`${backingRoot}/srv/root_fs`)
    expect(await inside('/dir/../good')).toBe(`${backingRoot}/srv/root_fs`)
  })

  test('a relative link starts where it lies', async () => {
    const { backingRoot, inside } = jail()
    symlinkSync('root_fs', path.join(backingRoot, 'srv/link'))
    symlinkSync('../srv/link', path.join(backingRoot, 'srv/again'))
    symlinkSync('../../../../srv/root_fs', path.join(backingRoot, 'srv/climber'))
    for (const name of ['link', 'again', 'climber']) {
      expect(await inside(`/srv/${name}`)).toBe(`${backingRoot}/srv/root_fs`)
    }
  })

  test('links in a circle are refused, also those that grow', async () => {
    const { backingRoot, inside } = jail()
    symlinkSync('/b', path.join(backingRoot, 'a'))
    symlinkSync('/a', path.join(backingRoot, 'b'))
    symlinkSync('grow/x', path.join(backingRoot, 'grow'))
    for (const name of ['/a', '/b/srv', '/grow']) {
      await expect(inside(name)).rejects.toMatchObject({ code: 'BACKING_OUTSIDE_ROOT' })
    }
  })

  test('forty links are followed, one more is not', async () => {
    const { backingRoot, inside } = jail()
    symlinkSync('srv/root_fs', path.join(backingRoot, 'l1'))
    for (let i = 2; i <= 41; i++) symlinkSync(`l${i - 1}`, path.join(backingRoot, `l${i}`))
    expect(await inside('/l40')).toBe(`${backingRoot}/srv/root_fs`)
    await expect(inside('/l41')).rejects.toMatchObject({ code: 'BACKING_OUTSIDE_ROOT' })
  })

  test('a root that is itself a link, and names of bytes that are no text', async () => {
    const { directory, backingRoot } = jail()
    symlinkSync('jail', path.join(directory, 'door'))
    const name = Buffer.from(`/srv/r\xff`, 'latin1')
    writeFileSync(Buffer.concat([Buffer.from(backingRoot), name]), 'x')
    symlinkSync(Buffer.from('srv/r\xff', 'latin1'), path.join(backingRoot, 'bytes'))
    const options = { backingRoot: path.join(directory, 'door') }
    const found = `${backingRoot}/srv/r\xff`
    expect(await resolve(path.join(directory, 'cow'), name, options)).toBe(found)
    expect(await resolve(path.join(directory, 'cow'), '/bytes', options)).toBe(found)
  })

  test('a FIFO is no link, and is found', async () => {
    const { backingRoot, inside } = jail()
    expect(spawnSync('mkfifo', [path.join(backingRoot, 'fifo')]).status).toBe(0)
    expect(await inside('/fifo')).toBe(`${backingRoot}/fifo`)
  })

  test('a path through a file leads nowhere', async () => {
    const { inside } = jail()
    expect(await inside('/cow/root_fs')).toBeNull()
  })

  test('the current directory and the overlay\u2019s own do not count', async () => {
    const { directory, backingRoot } = jail()
    goTo(directory)
    expect(await resolve(path.join(directory, 'cow'), 'outside', { backingRoot })).toBeNull()
  })

  test('a root that does not exist is an error', async () => {
    const { directory } = jail()
    const options = { backingRoot: path.join(directory, 'none') }
    await expect(resolve(path.join(directory, 'cow'), '/x', options)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('nothing is opened, whatever the path', async () => {
  const directory = temporaryDirectory()
  populate(directory, ['root_fs', 'cow'])
  const calls: string[] = []
  const files = hookedFiles((call) => void calls.push(call))
  await resolveBackingPath(files, path.join(directory, 'cow'), Buffer.from('root_fs'))
  await resolveBackingPath(files, path.join(directory, 'cow'), Buffer.from('/root_fs'), { backingRoot: directory })
  expect(calls.length).toBeGreaterThan(3)
  expect(calls.filter((call) => !/^(stat|lstat|realPath|readLink) /.test(call))).toEqual([])
})
