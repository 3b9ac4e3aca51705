import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { refuseUnlessForced } from '../../../src/machine/findings.js'
import { localHostFiles } from '../../../src/machine/host-files.js'
import { type FileUser, findUsers, mainUsers } from '../../../src/machine/processes/file-users.js'
import { findWriters, userName } from '../../../src/machine/processes/find-writers.js'
import { temporaryDirectory } from '../../support/paths.js'

function makeFile(): string {
  const filePath = path.join(temporaryDirectory(), 'cow')
  writeFileSync(filePath, 'x')
  return filePath
}

/** Waits until a child says something, and ends it with the test. */
async function ready(child: ChildProcess): Promise<ChildProcess> {
  const ended = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await Promise.race([
    once(child.stdout!, 'data'),
    ended.then(() => {
      throw new Error('the child has ended')
    }),
  ])
  return child
}

/** A process that has a file open with these flags. */
function holder(filePath: string, ...flags: string[]): Promise<ChildProcess> {
  const opens = flags.map((flag) => `fs.openSync(process.argv[1], ${JSON.stringify(flag)})`).join(';')
  const script = `const fs = require('node:fs'); ${opens}; console.log('open'); setInterval(() => {}, 1000)`
  return ready(spawn(process.execPath, ['-e', script, filePath], { stdio: ['ignore', 'pipe', 'inherit'] }))
}

/** A process that holds a lock of the kernel. */
async function locker(filePath: string, kind: '-x' | '-s'): Promise<ChildProcess> {
  const child = spawn('flock', [kind, '-o', filePath, '-c', 'echo locked; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const { pid } = await ready(child)
  onTestFinished(() => {
    // The shell that flock has started, too.
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  })
  return child
}

async function usersOf(filePath: string): Promise<readonly FileUser[]> {
  return (await findUsers([await localHostFiles.stat(filePath)]))[0]!.users
}

describe('findUsers', () => {
  test('sees nobody where nobody is', async () => {
    expect(await usersOf(makeFile())).toEqual([])
  })

  test.each([
    ['r', 'read'],
    ['r+', 'write'],
    ['a', 'write'],
  ])('sees a process that has it open for %s, and how', async (flag, access) => {
    const filePath = makeFile()
    const { pid } = await holder(filePath, flag)
    expect(await usersOf(filePath)).toEqual([{ pid, access, seen: 'open' }])
  })

  test('takes the strongest of several open files of one process', async () => {
    for (const flags of [
      ['r', 'r+'],
      ['r+', 'r'],
    ]) {
      const filePath = makeFile()
      const { pid } = await holder(filePath, ...flags)
      expect(await usersOf(filePath)).toEqual([{ pid, access: 'write', seen: 'open' }])
    }
  })

  test('sees several processes', async () => {
    const filePath = makeFile()
    const children = [await holder(filePath, 'r'), await holder(filePath, 'r+')]
    const users = [...(await usersOf(filePath))].sort((a, b) => a.access.localeCompare(b.access))
    expect(users.map(({ pid, access }) => [pid, access])).toEqual([
      [children[0]?.pid, 'read'],
      [children[1]?.pid, 'write'],
    ])
  })

  test('goes by the file, not by its name', async () => {
    const directory = temporaryDirectory()
    const [one, other] = [path.join(directory, 'one'), path.join(directory, 'other')]
    writeFileSync(one, 'x')
    writeFileSync(other, 'x')
    const { pid } = await holder(one, 'r+')
    await localHostFiles.rename(one, path.join(directory, 'moved'))
    await localHostFiles.rename(other, one)
    expect(await usersOf(one)).toEqual([])
    expect((await usersOf(path.join(directory, 'moved'))).map((user) => user.pid)).toEqual([pid])
  })

  test('does not see itself', async () => {
    const filePath = makeFile()
    const store = await localHostFiles.open(filePath, 'readWrite')
    try {
      expect(await usersOf(filePath)).toEqual([])
    } finally {
      await store.close()
    }
  })

  test('no longer sees a process that has ended', async () => {
    const filePath = makeFile()
    const child = await holder(filePath, 'r+')
    const ended = once(child, 'close')
    child.kill('SIGKILL')
    await ended
    expect(await usersOf(filePath)).toEqual([])
  })

  // A kernel without file locks, or a sandbox, has no /proc/locks.
  test.skipIf(!existsSync('/proc/locks') || !existsSync('/usr/bin/flock')).each([
    ['-x', 'write'],
    ['-s', 'read'],
  ] as const)('sees the lock of a process, flock %s', async (kind, access) => {
    const filePath = makeFile()
    const { pid } = await locker(filePath, kind)
    const facts = await localHostFiles.stat(filePath)
    // Some file systems (overlayfs, btrfs) show another device there.
    if (!readFileSync('/proc/locks', 'latin1').includes(`:${facts.inode} `)) return
    expect(await usersOf(filePath)).toContainEqual({ pid, access, seen: 'lock' })
  })

  test('says what it could not look at', async () => {
    const { unseen } = (await findUsers([await localHostFiles.stat(makeFile())]))[0]!
    for (const one of unseen) expect(one).toMatch(/^(locks|open files|processes)/)
    expect(unseen.some((one) => one.startsWith('locks'))).toBe(!existsSync('/proc/locks'))
  })
})

describe('findWriters', () => {
  test('finds who writes, and nobody who only reads', async () => {
    const filePath = makeFile()
    await holder(filePath, 'r')
    expect(await findWriters(localHostFiles, [{ path: filePath, facts: await localHostFiles.stat(filePath) }])).toEqual(
      [],
    )
    const { pid } = await holder(filePath, 'r+')
    const [finding, ...more] = await findWriters(localHostFiles, [
      { path: filePath, facts: await localHostFiles.stat(filePath) },
    ])
    expect(more).toEqual([])
    expect(finding).toMatchObject({
      code: 'IN_USE',
      force: 'in-use',
      message: `${filePath}: is open for writing by process ${pid}`,
    })
  })
})

describe('the users to name', () => {
  const user = (pid: number, seen: FileUser['seen']): FileUser => ({ pid, access: 'write', seen })

  test('are those with a lock, or all', () => {
    const [lock, open, other, loop] = [user(1, 'lock'), user(2, 'open'), user(3, 'open'), user(0, 'loop')]
    expect(mainUsers([open, lock, other])).toEqual([lock])
    expect(mainUsers([open, other])).toEqual([open, other])
    expect(mainUsers([open, loop])).toEqual([loop])
    expect(mainUsers([])).toEqual([])
  })

  test('have names', () => {
    expect(userName(user(12, 'lock'))).toBe('process 12')
    expect(userName(user(-1, 'lock'))).toBe('a process that cannot be named')
    expect(userName(user(0, 'loop'))).toBe('a loop device')
  })
})

describe('refuseUnlessForced', () => {
  const inUse = { code: 'IN_USE', message: 'a: in use', force: 'in-use' as const, hint: 'halt it' }
  const mtime = { code: 'BACKING_MTIME', message: 'b: mtime', force: 'mtime' as const }
  const kind = { code: 'BACKING_KIND', message: 'c: kind' }

  test('lets nothing pass but what is forced, word by word', () => {
    expect(() => refuseUnlessForced([])).not.toThrow()
    expect(() => refuseUnlessForced([inUse, mtime], ['in-use', 'mtime'])).not.toThrow()
    expect(() => refuseUnlessForced([mtime], ['in-use', 'size'])).toThrow(
      expect.objectContaining({ code: 'BACKING_MTIME' }),
    )
    expect(() => refuseUnlessForced([inUse, mtime], ['in-use'])).toThrow(
      expect.objectContaining({ code: 'BACKING_MTIME' }),
    )
    expect(() => refuseUnlessForced([kind], ['in-use', 'mtime', 'size'])).toThrow(
      expect.objectContaining({ code: 'BACKING_KIND' }),
    )
  })

  test('tells everything at once, the first code, and a hint where there is one', () => {
    expect(() => refuseUnlessForced([mtime, kind, inUse])).toThrow(
      expect.objectContaining({
        code: 'BACKING_MTIME',
        message: 'b: mtime\nc: kind\na: in use',
        hint: 'halt it',
        details: { findings: ['BACKING_MTIME: b: mtime', 'BACKING_KIND: c: kind', 'IN_USE: a: in use'] },
      }),
    )
    expect(() => refuseUnlessForced([mtime, kind, inUse], ['mtime', 'in-use'])).toThrow(
      expect.objectContaining({ code: 'BACKING_KIND', message: 'c: kind', hint: undefined }),
    )
  })
})
