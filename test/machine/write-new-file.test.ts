import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { type HostFiles, localHostFiles } from '../../src/machine/host-files.js'
import type { FileStore } from '../../src/machine/stores/file-store.js'
import { inspectTarget, type NewFileOptions, writeNewFile } from '../../src/machine/write-new-file.js'
import { writeExact } from '../../src/stores/block-store.js'
import { failAt, hookedFiles, injected } from '../support/hooked-files.js'
import { temporaryDirectory } from '../support/paths.js'

const content = Buffer.from('the new content, whole')

async function fillWhole(store: FileStore): Promise<void> {
  // In two writes, so that between them the file is half.
  await writeExact(store, 0, content.subarray(0, 7))
  await writeExact(store, 7, content.subarray(7))
}

/** As verbs do it: look at the place, then make the file. */
async function make(
  filePath: string | Buffer,
  { overwrite = false, ...options }: Partial<NewFileOptions> & { overwrite?: boolean } = {},
  files: HostFiles = localHostFiles,
  fill = fillWhole,
): Promise<void> {
  const target = await inspectTarget(files, filePath, overwrite)
  await writeNewFile(files, target, { permissions: 0o644, ...options }, fill)
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

const withoutLinks = (code: string) =>
  hookedFiles((call) => {
    if (call.startsWith('link ')) throw injected(code)
  })

describe('inspectTarget', () => {
  test('finds nothing, by any kind of path', async () => {
    const filePath = path.join(temporaryDirectory(), 'new')
    for (const one of [filePath, Buffer.from(filePath)]) {
      const place = await inspectTarget(localHostFiles, one, false)
      expect(place).toEqual({ path: Buffer.from(filePath), existing: null })
    }
  })

  test('refuses what is there, unless it may be replaced', async () => {
    const filePath = path.join(temporaryDirectory(), 'old')
    writeFileSync(filePath, 'old')
    await expect(inspectTarget(localHostFiles, filePath, false)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    const place = await inspectTarget(localHostFiles, filePath, true)
    expect(place.path.toString()).toBe(filePath)
    expect(place.existing).toMatchObject({ kind: 'file', size: 3 })
  })

  test('refuses what is no regular file, whether it may be replaced or not', async () => {
    const directory = temporaryDirectory()
    const at = (name: string) => path.join(directory, name)
    mkdirSync(at('directory'))
    expect(spawnSync('mkfifo', [at('fifo')]).status).toBe(0)
    symlinkSync('directory', at('to-directory'))
    symlinkSync('/dev/null', at('to-device'))
    symlinkSync('nothing', at('dangling'))
    symlinkSync('fifo', at('to-fifo'))
    for (const name of ['directory', 'fifo', 'to-directory', 'to-device', 'dangling', 'to-fifo']) {
      await expect(inspectTarget(localHostFiles, at(name), true), name).rejects.toMatchObject({ code: 'TARGET_KIND' })
      const refused = inspectTarget(localHostFiles, at(name), false)
      await expect(refused, name).rejects.toMatchObject({ code: expect.stringMatching(/^TARGET_(KIND|EXISTS)$/) })
    }
    expect(existsSync(at('nothing'))).toBe(false)
  })

  test('leads through links to the file that will be replaced', async () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'real'))
    writeFileSync(path.join(directory, 'real/file'), 'old')
    symlinkSync('real/file', path.join(directory, 'link'))
    symlinkSync('link', path.join(directory, 'again'))
    const place = await inspectTarget(localHostFiles, path.join(directory, 'again'), true)
    expect(place.path.toString()).toBe(path.join(directory, 'real/file'))
  })

  test('does not take a failure for an empty place', async () => {
    const filePath = path.join(temporaryDirectory(), 'new')
    for (const call of ['lstat', 'stat', 'realPath']) {
      writeFileSync(filePath, 'old')
      const files = hookedFiles((made) => {
        if (made.startsWith(`${call} `)) throw injected('EIO')
      })
      await expect(inspectTarget(files, filePath, true)).rejects.toMatchObject({ code: 'EIO' })
    }
  })
})

describe('a new file', () => {
  test('appears with its content and permissions, and nothing else does', async () => {
    const directory = temporaryDirectory()
    for (const permissions of [0o600, 0o644, 0o666]) {
      const filePath = path.join(directory, permissions.toString(8))
      await make(filePath, { permissions })
      expect(readFileSync(filePath)).toEqual(content)
      expect(statSync(filePath).mode & 0o7777).toBe(permissions & ~process.umask())
      expect(statSync(filePath).nlink).toBe(1)
    }
    expect(readdirSync(directory).sort()).toEqual(['600', '644', '666'])
  })

  test('is not there while it is made, and private until then', async () => {
    const directory = temporaryDirectory()
    const filePath = path.join(directory, 'new')
    let temporary = ''
    await make(filePath, {}, localHostFiles, async (store) => {
      await writeExact(store, 0, content)
      expect(existsSync(filePath)).toBe(false)
      const [name, ...more] = readdirSync(directory)
      expect(more).toEqual([])
      temporary = name!
      expect(statSync(path.join(directory, name!)).mode & 0o777).toBe(0o600)
      expect(store.name).toBe(filePath)
    })
    expect(temporary).toMatch(/^\.umlcow-/)
    expect(readdirSync(directory)).toEqual(['new'])
  })

  test('is synced before it has its name, and its directory after', async () => {
    const directory = temporaryDirectory()
    for (const overwrite of [false, true]) {
      const calls: string[] = []
      const filePath = path.join(directory, `new ${overwrite}`)
      if (overwrite) writeFileSync(filePath, 'old')
      await make(
        filePath,
        { overwrite },
        hookedFiles((call) => void calls.push(call.split(' ')[0]!)),
      )
      const [name, last] = [overwrite ? 'rename' : 'link', calls.lastIndexOf('write')]
      expect(calls.indexOf('sync')).toBeGreaterThan(last)
      expect(calls.indexOf(name)).toBeGreaterThan(calls.indexOf('sync'))
      expect(calls.indexOf('close')).toBeLessThan(calls.indexOf(name))
      expect(calls.indexOf('syncDirectory')).toBeGreaterThan(calls.indexOf(name))
    }
  })

  test('is not synced when that is not wanted', async () => {
    const calls: string[] = []
    const filePath = path.join(temporaryDirectory(), 'new')
    await make(
      filePath,
      { noSync: true },
      hookedFiles((call) => void calls.push(call)),
    )
    expect(calls.filter((call) => call.startsWith('sync'))).toEqual([])
    expect(readFileSync(filePath)).toEqual(content)
  })

  test('has a name of bytes that are no text', async () => {
    const directory = temporaryDirectory()
    const filePath = Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0xff, 0xfe)])
    await make(filePath)
    expect(readFileSync(filePath)).toEqual(content)
  })

  test('in a directory that is missing is an error and makes none', async () => {
    const directory = temporaryDirectory()
    await expect(make(path.join(directory, 'no/new'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(readdirSync(directory)).toEqual([])
  })

  test('whose content fails leaves nothing, or what was there', async () => {
    const directory = temporaryDirectory()
    const failure = new Error('no more')
    const fill = async (store: FileStore) => {
      await writeExact(store, 0, content.subarray(0, 5))
      throw failure
    }
    const filePath = path.join(directory, 'new')
    await expect(make(filePath, {}, localHostFiles, fill)).rejects.toBe(failure)
    expect(readdirSync(directory)).toEqual([])
    writeFileSync(filePath, 'old')
    await expect(make(filePath, { overwrite: true }, localHostFiles, fill)).rejects.toBe(failure)
    expect(readdirSync(directory)).toEqual(['new'])
    expect(readFileSync(filePath, 'utf8')).toBe('old')
  })

  test('that is stopped leaves nothing', async () => {
    const directory = temporaryDirectory()
    const stop = new AbortController()
    const fill = async (store: FileStore) => {
      await fillWhole(store)
      stop.abort()
    }
    const made = make(path.join(directory, 'new'), { signal: stop.signal }, localHostFiles, fill)
    await expect(made).rejects.toMatchObject({ code: 'INTERRUPTED' })
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('a name that is taken meanwhile', () => {
  test.each([
    ['with hard links', localHostFiles],
    ['without hard links', withoutLinks('EPERM')],
    ['where links are unknown', withoutLinks('ENOSYS')],
  ])('keeps the other\u2019s file, %s', async (_what, files) => {
    const directory = temporaryDirectory()
    const filePath = path.join(directory, 'new')
    const made = make(filePath, {}, files, async (store) => {
      await fillWhole(store)
      writeFileSync(filePath, 'of somebody else')
    })
    await expect(made).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(readFileSync(filePath, 'utf8')).toBe('of somebody else')
    expect(readdirSync(directory)).toEqual(['new'])
  })

  test('by a link to nothing stays a link to nothing', async () => {
    for (const files of [localHostFiles, withoutLinks('EPERM')]) {
      const directory = temporaryDirectory()
      const filePath = path.join(directory, 'new')
      const made = make(filePath, {}, files, async (store) => {
        await fillWhole(store)
        symlinkSync('elsewhere', filePath)
      })
      await expect(made).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
      expect(readdirSync(directory)).toEqual(['new'])
      expect(readlinkSync(filePath)).toBe('elsewhere')
    }
  })
})

describe('without hard links', () => {
  test.each(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])(
    '%s: the file is renamed to its name',
    async (code) => {
      const directory = temporaryDirectory()
      const filePath = path.join(directory, 'new')
      await make(filePath, {}, withoutLinks(code))
      expect(readFileSync(filePath)).toEqual(content)
      expect(statSync(filePath).mode & 0o777).toBe(0o644 & ~process.umask())
      expect(readdirSync(directory)).toEqual(['new'])
    },
  )

  test('any other failure of the link is one', async () => {
    const directory = temporaryDirectory()
    await expect(make(path.join(directory, 'new'), {}, withoutLinks('EDQUOT'))).rejects.toMatchObject({
      code: 'EDQUOT',
    })
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('a file that is replaced', () => {
  test('keeps its permissions and owner', async () => {
    const filePath = path.join(temporaryDirectory(), 'old')
    writeFileSync(filePath, 'old')
    chmodSync(filePath, 0o4750)
    const before = statSync(filePath)
    await make(filePath, { overwrite: true, permissions: 0o644 })
    const after = statSync(filePath)
    expect(readFileSync(filePath)).toEqual(content)
    expect(after.ino).not.toBe(before.ino)
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid])
  })

  test('is replaced, too, by somebody who may not give files away', async () => {
    const filePath = path.join(temporaryDirectory(), 'old')
    writeFileSync(filePath, 'old')
    const files = hookedFiles((call) => {
      if (call.startsWith('setOwner')) throw injected('EPERM')
    })
    await make(filePath, { overwrite: true }, files)
    expect(readFileSync(filePath)).toEqual(content)
    const failing = hookedFiles((call) => {
      if (call.startsWith('setOwner')) throw injected('EIO')
    })
    await expect(make(filePath, { overwrite: true }, failing)).rejects.toMatchObject({ code: 'EIO' })
  })

  test('is the one behind a link; the link stays, and other names keep the old content', async () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'real'))
    const real = path.join(directory, 'real/file')
    writeFileSync(real, 'old')
    linkSync(real, path.join(directory, 'hard'))
    symlinkSync('real/file', path.join(directory, 'link'))
    await make(path.join(directory, 'link'), { overwrite: true })
    expect(lstatSync(path.join(directory, 'link')).isSymbolicLink()).toBe(true)
    expect(readFileSync(real)).toEqual(content)
    expect(readFileSync(path.join(directory, 'hard'), 'utf8')).toBe('old')
    expect(readdirSync(path.join(directory, 'real'))).toEqual(['file'])
  })
})

describe('a file to be replaced that is another meanwhile', () => {
  test('stays, by rename or by a new file of its name', async () => {
    for (const other of ['renamed', 'gone']) {
      const directory = temporaryDirectory()
      const filePath = path.join(directory, 'old')
      writeFileSync(filePath, 'old')
      const made = make(filePath, { overwrite: true }, localHostFiles, async (store) => {
        await fillWhole(store)
        writeFileSync(path.join(directory, 'other'), 'of somebody else')
        if (other === 'renamed') renameSync(path.join(directory, 'other'), filePath)
        else rmSync(filePath)
      })
      await expect(made).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
      const expected = other === 'renamed' ? { old: 'of somebody else' } : { other: 'of somebody else' }
      const names = readdirSync(directory)
      const found = names.map((name) => [name, readFileSync(path.join(directory, name), 'utf8')])
      expect(Object.fromEntries(found)).toEqual(expected)
    }
  })

  test('is replaced when only its content has changed', async () => {
    const filePath = path.join(temporaryDirectory(), 'old')
    writeFileSync(filePath, 'old')
    await make(filePath, { overwrite: true }, localHostFiles, async (store) => {
      await fillWhole(store)
      writeFileSync(filePath, 'newer')
    })
    expect(readFileSync(filePath)).toEqual(content)
  })
})

describe('every failure, one after another', () => {
  test.each([
    ['a new file', false, false],
    ['a new file without hard links', false, true],
    ['a file that is replaced', true, false],
  ])('%s: no half file, no temporary file, no open descriptor', async (_what, overwrite, linkless) => {
    const failed: string[] = []
    for (let count = 0; ; count++) {
      const directory = temporaryDirectory()
      const filePath = path.join(directory, 'file')
      if (overwrite) writeFileSync(filePath, 'old')
      const before = openDescriptors()
      const fault = failAt(count, 'recovers')
      const files = hookedFiles((call) => {
        fault.hook(call)
        if (linkless && call.startsWith('link ')) throw injected('EPERM')
      })
      const outcome = await make(filePath, { overwrite }, files).then(
        () => 'made',
        (error: { code: string }) => error.code,
      )
      const call = fault.failed()
      if (call === null) {
        expect(outcome).toBe('made')
        break
      }
      failed.push(call.split(' ')[0]!)
      expect(outcome, call).toBe('EIO')
      expect(openDescriptors(), call).toBe(before)
      const names = readdirSync(directory)
      expect(
        names.filter((name) => name !== 'file'),
        call,
      ).toEqual([])
      const there = names.includes('file') ? readFileSync(filePath, 'utf8') : null
      expect([overwrite ? 'old' : null, content.toString()], call).toContain(there)
    }
    for (const call of ['open', 'write', 'setPermissions', 'sync', 'close', 'syncDirectory'])
      expect(failed).toContain(call)
    expect(failed).toContain(overwrite || linkless ? 'rename' : 'link')
  })

  test('the first failure is the one that is told, when removing fails, too', async () => {
    const directory = temporaryDirectory()
    const files = hookedFiles((call) => {
      if (call.startsWith('sync ')) throw injected('ENOSPC')
      if (call.startsWith('unlink ')) throw injected('EROFS')
    })
    await expect(make(path.join(directory, 'new'), {}, files)).rejects.toMatchObject({ code: 'ENOSPC' })
  })
})
