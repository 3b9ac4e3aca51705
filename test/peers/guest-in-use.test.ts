import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectPlainFailure, namesIn, pairMtime, setMtime, sha256 } from '../cli/scene.js'
import { umlcow } from '../support/command.js'
import { bootGuest, guestPeers } from '../support/guest.js'
import { temporaryDirectory } from '../support/paths.js'
import { havePeers } from '../support/peers.js'

function makeBacking(directory: string): void {
  writeFileSync(path.join(directory, 'root_fs'), Buffer.alloc(2 ** 20, 'backing '))
  setMtime(path.join(directory, 'root_fs'))
}

function usersOf(directory: string, name: string): { pid: number; access: string; seen: string }[] {
  return JSON.parse(umlcow(['info', '--json', '-b', 'root_fs', name], { cwd: directory }).stdout)['format-specific']
    .data['in-use']
}

describe.runIf(havePeers(...guestPeers))('an overlay that a guest has open', () => {
  it('is told, and kept from being merged, rewritten or replaced', { timeout: 90_000 }, async () => {
    const directory = temporaryDirectory()
    makeBacking(directory)
    const guest = await bootGuest(directory, ['ubda=cow,root_fs'])
    const cow = path.join(directory, 'cow')

    const { data } = JSON.parse(umlcow(['info', '--json', cow]).stdout)['format-specific']
    expect(data['in-use-by']).toContain(guest.pid)
    expect(data['in-use']).toContainEqual({ pid: guest.pid, access: 'write', seen: 'lock' })
    expect(umlcow(['info', cow]).stdout).toContain(`process ${guest.pid} (write lock)`)

    const before = readFileSync(cow).subarray(0, 4128)
    const says = new RegExp(`cow: is open for writing by .*process ${guest.pid}\\b`)
    for (const args of [
      ['merge', cow, path.join(directory, 'merged')],
      ['merge', cow, '-'],
      ['rebase', '-u', '-b', path.join(directory, 'root_fs'), cow],
      ['rebase', '-u', '-b', '/srv/other', '--force=mtime,size', cow],
      ['check', '--repair', cow],
      ['create', '--overwrite', cow, '-b', path.join(directory, 'root_fs')],
    ]) {
      const outcome = umlcow(args)
      // A path that does not exist is only a warning, so the overlay's users are all that may refuse it.
      expect({ args, status: outcome.status }).toEqual({ args, status: 4 })
      expect(outcome.stderr).toMatch(says)
      expect(outcome.stdout).toBe('')
    }
    expect(umlcow(['moo', cow, path.join(directory, 'merged')]).status).toBe(1)
    expect(readFileSync(cow).subarray(0, 4128).equals(before)).toBe(true)
    expect(namesIn(directory)).toEqual(['cow', 'root_fs'])

    const forced = path.join(directory, 'forced')
    expect(umlcow(['merge', '--force=in-use', cow, forced]).status).toBe(0)
    expect(readFileSync(forced).subarray(0, 4096).toString()).toBe('g'.repeat(4096))

    await guest.halt()
    expect(usersOf(directory, 'cow')).toEqual([])
    const merged = path.join(directory, 'merged')
    expect(umlcow(['merge', cow, merged]).status).toBe(0)
    const expected = Buffer.alloc(2 ** 20, 'backing ')
    expected.fill('g', 0, 4096)
    expect(readFileSync(merged).equals(expected)).toBe(true)
  })

  it('is seen without a lock, too: the flag c', { timeout: 90_000 }, async () => {
    const directory = temporaryDirectory()
    makeBacking(directory)
    expect(umlcow(['create', 'cow', '-b', 'root_fs'], { cwd: directory }).status).toBe(0)
    const guest = await bootGuest(directory, ['ubdac=cow'])
    expect(usersOf(directory, 'cow')).toContainEqual({ pid: guest.pid, access: 'write', seen: 'open' })
    expectPlainFailure(umlcow(['merge', 'cow', 'merged'], { cwd: directory }), 4)
    await guest.halt()
  })

  it('does not keep others on the same backing file from being merged', { timeout: 90_000 }, async () => {
    const directory = temporaryDirectory()
    makeBacking(directory)
    expect(umlcow(['create', 'idle', '-b', 'root_fs'], { cwd: directory }).status).toBe(0)
    const guest = await bootGuest(directory, ['ubda=busy,root_fs'])
    const digest = sha256(path.join(directory, 'root_fs'))
    expect(umlcow(['merge', 'idle', 'merged'], { cwd: directory }).status).toBe(0)
    expect(sha256(path.join(directory, 'merged'))).toBe(digest)
    copyFileSync(path.join(directory, 'merged'), path.join(directory, 'copy'))
    setMtime(path.join(directory, 'copy'), pairMtime)
    expect(umlcow(['rebase', '-u', '-b', 'copy', 'idle'], { cwd: directory }).status).toBe(0)
    await guest.halt()
  })
})
