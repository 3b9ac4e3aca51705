import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { isSystemError, UmlcowError } from '../../../src/errors.js'
import { fileError, openFileStore } from '../../../src/machine/stores/file-store.js'
import { temporaryDirectory } from '../../support/paths.js'

async function failureOf(run: () => unknown): Promise<UmlcowError> {
  try {
    await run()
  } catch (error) {
    expect(error).toBeInstanceOf(UmlcowError)
    return error as UmlcowError
  }
  throw new Error('nothing was thrown')
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

describe('openFileStore', () => {
  test('says which file cannot be opened, in the words of the system', async () => {
    const missing = path.join(temporaryDirectory(), 'missing\n')
    const error = await failureOf(() => openFileStore(missing, 'read'))
    expect(error.code).toBe('ENOENT')
    expect(error.message).toBe(`${missing.slice(0, -1)}\\x0a: cannot open: ENOENT: no such file or directory`)
    expect(isSystemError(error.cause)).toBe(true)
    expect((await failureOf(() => openFileStore(missing, 'readWrite'))).code).toBe('ENOENT')
    expect(existsSync(missing)).toBe(false)
  })

  test('does not write to a directory, and reads none', async () => {
    const directory = temporaryDirectory()
    expect((await failureOf(() => openFileStore(directory, 'readWrite'))).code).toBe('EISDIR')
    const store = await openFileStore(directory, 'read')
    try {
      const error = await failureOf(() => store.read(0, new Uint8Array(1)))
      expect(error.code).toBe('EISDIR')
      expect(error.message).toContain(`${directory}: cannot read at offset 0: EISDIR`)
      expect((await failureOf(() => store.readNow(0, new Uint8Array(1)))).code).toBe('EISDIR')
    } finally {
      await store.close()
    }
  })

  test.skipIf(process.getuid?.() === 0)('says that a file may not be opened', async () => {
    const filePath = path.join(temporaryDirectory(), 'secret')
    writeFileSync(filePath, 'x')
    chmodSync(filePath, 0)
    expect((await failureOf(() => openFileStore(filePath, 'read'))).code).toBe('EACCES')
  })

  test('creates nothing over a file, nor through a link to nothing', async () => {
    const directory = temporaryDirectory()
    const filePath = path.join(directory, 'there')
    writeFileSync(filePath, 'old')
    const error = await failureOf(() => openFileStore(filePath, 'createNew'))
    expect(error.code).toBe('EEXIST')
    expect(error.message).toContain(`${filePath}: cannot create: EEXIST`)
    expect(readFileSync(filePath, 'utf8')).toBe('old')
    symlinkSync(path.join(directory, 'nothing'), path.join(directory, 'link'))
    expect((await failureOf(() => openFileStore(path.join(directory, 'link'), 'createNew'))).code).toBe('EEXIST')
    expect(existsSync(path.join(directory, 'nothing'))).toBe(false)
  })

  test('creates with the permissions asked for, less the umask', async () => {
    const directory = temporaryDirectory()
    const umask = process.umask()
    for (const permissions of [0o600, 0o666, undefined]) {
      const filePath = path.join(directory, String(permissions))
      const store = await openFileStore(filePath, 'createNew', { permissions })
      await store.close()
      expect(statSync(filePath).mode & 0o777).toBe((permissions ?? 0o644) & ~umask)
    }
  })

  test('opens a path of bytes that are no text', async () => {
    const filePath = Buffer.concat([Buffer.from(`${temporaryDirectory()}/`), Buffer.of(0xff, 0xfe)])
    const store = await openFileStore(filePath, 'createNew')
    try {
      await store.write(0, Uint8Array.of(1))
      expect(store.name.endsWith('\\xff\\xfe')).toBe(true)
    } finally {
      await store.close()
    }
    expect([...readFileSync(filePath)]).toEqual([1])
  })

  test('takes a size and a name that the caller knows better', async () => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, 'abc')
    const store = await openFileStore(filePath, 'read', { size: 77, name: 'the disk' })
    try {
      expect(store.size).toBe(77)
      expect(store.name).toBe('the disk')
    } finally {
      await store.close()
    }
  })

  test('does not wait for the writer of a FIFO', async () => {
    const filePath = path.join(temporaryDirectory(), 'fifo')
    const made = spawnSync('mkfifo', [filePath])
    expect(made.status).toBe(0)
    const store = await openFileStore(filePath, 'read')
    await store.close()
  })

  test('leaves no descriptor open, whatever goes wrong', async () => {
    const directory = temporaryDirectory()
    mkdirSync(path.join(directory, 'sub'))
    const before = openDescriptors()
    for (const [name, access] of [
      ['missing', 'read'],
      ['sub', 'readWrite'],
      ['sub', 'createNew'],
    ] as const) {
      await failureOf(() => openFileStore(path.join(directory, name), access))
    }
    const store = await openFileStore(path.join(directory, 'sub'), 'read')
    await store.close()
    await store.close()
    expect(openDescriptors()).toBe(before)
  })
})

describe('an open file', () => {
  test('that is open for reading refuses writes by its name and the system\u2019s code', async () => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, 'abc')
    const store = await openFileStore(filePath, 'read')
    try {
      const bytes = Uint8Array.of(1)
      for (const run of [() => store.write(7, bytes), async () => store.writeNow(7, bytes)]) {
        const error = await failureOf(run)
        expect(error.code).toBe('EBADF')
        expect(error.message).toContain(`${filePath}: cannot write at offset 7: EBADF`)
      }
      const error = await failureOf(() => store.truncate(1))
      expect(error.message).toContain(`${filePath}: cannot set the size to 1: E`)
      expect(store.size).toBe(3)
    } finally {
      await store.close()
    }
    expect(readFileSync(filePath, 'utf8')).toBe('abc')
  })

  test('reports a full disk with its code', async () => {
    const store = await openFileStore('/dev/full', 'readWrite')
    try {
      for (const run of [() => store.write(0, new Uint8Array(9)), async () => store.writeNow(0, new Uint8Array(9))]) {
        const error = await failureOf(run)
        expect(error.code).toBe('ENOSPC')
        expect(error.message).toBe('/dev/full: cannot write at offset 0: ENOSPC: no space left on device')
      }
    } finally {
      await store.close()
    }
  })

  test('moves data beyond 4 GiB', async () => {
    const filePath = path.join(temporaryDirectory(), 'sparse')
    const store = await openFileStore(filePath, 'createNew')
    try {
      const far = 5 * 2 ** 30 + 3
      await store.write(far, Uint8Array.of(1, 2, 3))
      expect(store.size).toBe(far + 3)
      const target = new Uint8Array(5)
      expect(store.readNow(far - 2, target)).toBe(5)
      expect([...target]).toEqual([0, 0, 1, 2, 3])
      expect(statSync(filePath).size).toBe(far + 3)
    } finally {
      await store.close()
    }
  })
})

describe('fileError', () => {
  test('leaves alone what is not the system\u2019s', () => {
    const ours = new UmlcowError('NOT_COW', 'x')
    expect(fileError('f', 'open', ours)).toBe(ours)
    expect(fileError('f', 'open', 7)).toBe(7)
    const plain = Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' })
    expect(fileError('f', 'open', plain)).toBe(plain)
  })

  test('keeps the reason and drops the call and the path, which the message has already', () => {
    const system = Object.assign(new Error("EIO: i/o error, open '/secret\n'"), { code: 'EIO', syscall: 'open' })
    expect(fileError('shown', 'open', system)).toMatchObject({
      code: 'EIO',
      message: 'shown: cannot open: EIO: i/o error',
      cause: system,
    })
    const short = Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' })
    expect(fileError('shown', 'read', short)).toMatchObject({ message: 'shown: cannot read: EIO' })
  })
})
