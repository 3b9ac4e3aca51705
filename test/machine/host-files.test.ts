import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deviceNumbers, localHostFiles as files, isSameFile } from '../../src/machine/host-files.js'
import { runs } from '../support/amount.js'
import { temporaryDirectory } from '../support/paths.js'

describe('deviceNumbers', () => {
  test.each([
    [0x801n, 8, 1],
    [0x0n, 0, 0],
    [0x10305n, 259, 5],
    [0xfd02n, 253, 2],
    [0x00100700n, 7, 256],
    [0x0000_0000_fff0_07ffn, 7, 0xfffff],
    [0xfff00n, 0xfff, 0],
    [0x0000_1000_0000_0000n, 0x1000, 0],
    [0xffff_f000_000f_ff00n, 0xffffffff, 0],
    [0xffff_ffffn, 0xfff, 0xfffff],
  ])('of %d are %d and %d', (device, major, minor) => {
    expect(deviceNumbers(device)).toEqual({ major, minor })
  })

  test('undoes what makes device numbers', () => {
    // gnu_dev_makedev of glibc, written down bit by bit.
    const makeDevice = (major: bigint, minor: bigint) =>
      ((major & 0xfffn) << 8n) | ((major & ~0xfffn) << 32n) | (minor & 0xffn) | ((minor & ~0xffn) << 12n)
    const number = fc.oneof(fc.nat(300), fc.nat(0xfffff), fc.integer({ min: 0, max: 0xffffffff }))
    const property = fc.property(number, number, (major, minor) => {
      expect(deviceNumbers(makeDevice(BigInt(major), BigInt(minor)))).toEqual({ major, minor })
    })
    fc.assert(property, { numRuns: runs(500) })
  })

  test('are those that /sys and stat(1) have', () => {
    const { dev } = statSync(temporaryDirectory(), { bigint: true })
    const { major, minor } = deviceNumbers(dev)
    const told = spawnSync('stat', ['-c', '%Hd:%Ld', '.'], { cwd: temporaryDirectory(), encoding: 'utf8' })
    // Older coreutils do not know these two letters.
    if (/^\d+:\d+\n$/.test(told.stdout)) expect(told.stdout.trim()).toBe(`${major}:${minor}`)
    expect(statSync('/dev/null', { bigint: true }).rdev).toBe(0x103n)
    expect(deviceNumbers(0x103n)).toEqual({ major: 1, minor: 3 })
  })
})

describe('facts', () => {
  test('of each kind of file', async () => {
    const directory = temporaryDirectory()
    writeFileSync(path.join(directory, 'file'), 'abc')
    symlinkSync('file', path.join(directory, 'link'))
    symlinkSync('none', path.join(directory, 'dangling'))
    expect(spawnSync('mkfifo', [path.join(directory, 'fifo')]).status).toBe(0)
    expect((await files.stat(path.join(directory, 'file'))).kind).toBe('file')
    expect((await files.stat(path.join(directory, 'link'))).kind).toBe('file')
    expect((await files.stat(directory)).kind).toBe('directory')
    expect((await files.stat(path.join(directory, 'fifo'))).kind).toBe('other')
    expect((await files.stat('/dev/null')).kind).toBe('other')
    expect((await files.lstatOrNull(path.join(directory, 'link')))?.kind).toBe('other')
    expect((await files.lstatOrNull(path.join(directory, 'dangling')))?.kind).toBe('other')
    expect(await files.lstatOrNull(path.join(directory, 'none'))).toBeNull()
    await expect(files.stat(path.join(directory, 'dangling'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('of size, permissions, owner and what the host stores', async () => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, 'abc')
    truncateSync(filePath, 5_000_000_000)
    chmodSync(filePath, 0o6640)
    const facts = await files.stat(filePath)
    expect(facts).toMatchObject({
      size: 5_000_000_000,
      permissions: 0o6640,
      owner: process.getuid?.(),
      group: process.getgid?.(),
    })
    expect(facts.allocatedSize).toBeLessThan(1_000_000)
    expect(facts.allocatedSize).toBe(statSync(filePath).blocks * 512)
  })

  test.each([
    [0, 0],
    [1, 1],
    [1.9, 1],
    [1_700_000_000.999, 1_700_000_000],
    [2 ** 31 + 0.5, 2 ** 31],
    [-1, -1],
    [-1.5, -2],
    [-0.25, -1],
  ])('of a file from second %d: whole seconds, rounded down', async (time, mtime) => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, '')
    // Not by utimes of Node, whose rounding of negative times is its own affair.
    const touched = spawnSync('touch', ['-d', `@${time}`, filePath])
    expect(touched.status).toBe(0)
    expect((await files.stat(filePath)).mtime).toBe(mtime)
  })

  test('of an open file are its own, also when its name has gone to another', async () => {
    const filePath = path.join(temporaryDirectory(), 'file')
    writeFileSync(filePath, 'abc')
    utimesSync(filePath, 1000, 1000)
    const named = await files.stat(filePath)
    const store = await files.open(filePath, 'readWrite')
    try {
      expect(files.statOpen(store)).toEqual(named)
      await files.unlink(filePath)
      writeFileSync(filePath, 'other')
      expect(files.statOpen(store)).toMatchObject({ size: 3, inode: named.inode })
      expect(isSameFile(files.statOpen(store), await files.stat(filePath))).toBe(false)
      await files.setPermissions(store, 0o600)
      expect(files.statOpen(store).permissions).toBe(0o600)
    } finally {
      await store.close()
    }
  })
})

describe('isSameFile', () => {
  const facts = {
    kind: 'file' as const,
    device: 5n,
    inode: 7n,
    deviceId: 0n,
    links: 1,
    size: 0,
    allocatedSize: 0,
    mtime: 0,
    mtimeNs: 0n,
    ctime: 0,
    ctimeNs: 0n,
    permissions: 0,
    owner: 0,
    group: 0,
  }

  test('goes by device and inode, not by name or content', async () => {
    const directory = temporaryDirectory()
    const at = (name: string) => files.stat(path.join(directory, name))
    writeFileSync(path.join(directory, 'a'), 'x')
    writeFileSync(path.join(directory, 'b'), 'x')
    linkSync(path.join(directory, 'a'), path.join(directory, 'hard'))
    symlinkSync('a', path.join(directory, 'soft'))
    expect(isSameFile(await at('a'), await at('hard'))).toBe(true)
    expect(isSameFile(await at('a'), await at('soft'))).toBe(true)
    expect(isSameFile(await at('a'), await at('b'))).toBe(false)
    expect(isSameFile(facts, { ...facts, inode: 8n })).toBe(false)
    expect(isSameFile(facts, { ...facts, device: 6n })).toBe(false)
    expect(isSameFile(facts, { ...facts, inode: 7n + 2n ** 60n })).toBe(false)
  })

  test('of block devices goes by the device, whatever node leads there', () => {
    const device = { ...facts, kind: 'blockDevice' as const, deviceId: 0x801n }
    expect(isSameFile(device, { ...device, device: 9n, inode: 9n })).toBe(true)
    expect(isSameFile(device, { ...device, deviceId: 0x802n })).toBe(false)
    expect(isSameFile(device, { ...facts, deviceId: 0x801n, inode: 8n })).toBe(false)
  })
})

describe('effects', () => {
  test('name the file that they fail on, escaped, with the code of the system', async () => {
    const directory = temporaryDirectory()
    const missing = path.join(directory, 'missing\x1b')
    const there = path.join(directory, 'there')
    writeFileSync(there, 'x')
    const failures: [string, () => Promise<unknown>][] = [
      ['ENOENT', () => files.stat(missing)],
      ['ENOENT', () => files.realPath(missing)],
      ['ENOENT', () => files.readLink(missing)],
      ['ENOENT', () => files.unlink(missing)],
      ['ENOENT', () => files.open(missing, 'read')],
      ['ENOENT', () => files.link(there, path.join(missing, 'x'))],
      ['ENOENT', () => files.rename(there, path.join(missing, 'x'))],
      ['ENOENT', () => files.syncDirectory(missing)],
      ['ENOENT', () => files.names(missing)[Symbol.asyncIterator]().next()],
    ]
    for (const [code, failure] of failures) {
      await expect(failure()).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`${directory}/missing\\x1b`),
      })
    }
    await expect(files.readLink(there)).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(files.names(there)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ENOTDIR' })
    expect(readFileSync(there, 'utf8')).toBe('x')
  })

  test('link never replaces, rename does', async () => {
    const directory = temporaryDirectory()
    const [from, to] = [path.join(directory, 'from'), path.join(directory, 'to')]
    writeFileSync(from, 'new')
    writeFileSync(to, 'old')
    await expect(files.link(from, to)).rejects.toMatchObject({ code: 'EEXIST' })
    expect(readFileSync(to, 'utf8')).toBe('old')
    await files.rename(from, to)
    expect(readFileSync(to, 'utf8')).toBe('new')
    expect(existsSync(from)).toBe(false)
    await files.syncDirectory(directory)
  })

  test('names are bytes, all of them', async () => {
    const directory = temporaryDirectory()
    const names = [Buffer.from('plain'), Buffer.of(0xff, 0xfe), Buffer.from('ü'), Buffer.from('.hidden')]
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), '')
    mkdirSync(path.join(directory, 'sub'))
    const found: string[] = []
    for await (const name of files.names(directory)) {
      expect(Buffer.isBuffer(name)).toBe(true)
      found.push(name.toString('latin1'))
    }
    expect(found.sort()).toEqual([...names, Buffer.from('sub')].map((name) => name.toString('latin1')).sort())
  })

  test('names that are not all taken leave no descriptor open', async () => {
    const directory = temporaryDirectory()
    for (let i = 0; i < 50; i++) writeFileSync(path.join(directory, String(i)), '')
    const before = readdirSync('/proc/self/fd').length
    for await (const _ of files.names(directory)) break
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  test('real paths and links are bytes', async () => {
    const directory = temporaryDirectory()
    const name = Buffer.of(0xff)
    const target = Buffer.concat([Buffer.from(`${directory}/`), name])
    writeFileSync(target, '')
    symlinkSync(name, path.join(directory, 'link'))
    expect((await files.readLink(path.join(directory, 'link'))).equals(name)).toBe(true)
    expect((await files.realPath(path.join(directory, 'link'))).equals(target)).toBe(true)
  })
})
