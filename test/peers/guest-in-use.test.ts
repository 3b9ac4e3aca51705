import { spawn } from 'node:child_process'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { expectPlainFailure, namesIn, pairMtime, setMtime, sha256 } from '../cli/scene.js'
import { umlcow } from '../support/command.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { havePeers, type Peer } from '../support/peers.js'

const linux: Peer = '/usr/bin/linux.uml'
const busybox: Peer = '/usr/bin/busybox'
const python: Peer = '/usr/bin/python3'

/**
 * Boots a guest that opens /dev/ubda, writes its first page and keeps it open. Prints the pid of the kernel once it
 * does, ends the guest when its standard input ends.
 */
const host = `
import sys
sys.path.insert(0, sys.argv[1])
import lab
script = """exec 3<>/dev/ubda || exit 1
dd if=/dev/zero bs=4096 count=1 | tr '\\\\0' g >&3; sync
echo y > /job/ready
while [ ! -e /job/go ]; do sleep 0.1; done"""
with lab.Instance(sys.argv[3:], script, cwd=sys.argv[2]) as guest:
    ready = guest.wait_for("ready", 30)
    print(guest.child.pid if ready else "failed: " + (guest.job_file("console") or ""), flush=True)
    sys.stdin.read()
    guest.post("go")
    guest.finish(20)
`

interface Guest {
  readonly pid: number
  /** Halts it; resolves when its processes have ended. */
  halt(): Promise<void>
}

async function bootGuest(directory: string, ...ubdArgs: string[]): Promise<Guest> {
  const env = { ...process.env, UML_LAB_LINUX: linux, UML_LAB_BUSYBOX: busybox }
  const child = spawn(python, ['-c', host, path.join(root, 'test/uml-lab'), directory, ...ubdArgs], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const halt = async () => {
    child.stdin.end()
    await ended
  }
  // SIGTERM lets the lab end its own processes.
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const first = await new Promise<string>((resolve) => {
    child.stdout.once('data', (chunk) => resolve(String(chunk).trim()))
    child.once('close', () => resolve('failed: it ended'))
  })
  expect(first).toMatch(/^\d+$/)
  return { pid: Number(first), halt }
}

function makeBacking(directory: string): void {
  writeFileSync(path.join(directory, 'root_fs'), Buffer.alloc(2 ** 20, 'backing '))
  setMtime(path.join(directory, 'root_fs'))
}

function usersOf(directory: string, name: string): { pid: number; access: string; seen: string }[] {
  return JSON.parse(umlcow(['info', '--json', '-b', 'root_fs', name], { cwd: directory }).stdout)['format-specific']
    .data['in-use']
}

describe.runIf(havePeers(linux, busybox, python))('an overlay that a guest has open', () => {
  it('is told, and kept from being merged, rewritten or replaced', { timeout: 90_000 }, async () => {
    const directory = temporaryDirectory()
    makeBacking(directory)
    const guest = await bootGuest(directory, 'ubda=cow,root_fs')
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
    const guest = await bootGuest(directory, 'ubdac=cow')
    expect(usersOf(directory, 'cow')).toContainEqual({ pid: guest.pid, access: 'write', seen: 'open' })
    expectPlainFailure(umlcow(['merge', 'cow', 'merged'], { cwd: directory }), 4)
    await guest.halt()
  })

  it('does not keep others on the same backing file from being merged', { timeout: 90_000 }, async () => {
    const directory = temporaryDirectory()
    makeBacking(directory)
    expect(umlcow(['create', 'idle', '-b', 'root_fs'], { cwd: directory }).status).toBe(0)
    const guest = await bootGuest(directory, 'ubda=busy,root_fs')
    const digest = sha256(path.join(directory, 'root_fs'))
    expect(umlcow(['merge', 'idle', 'merged'], { cwd: directory }).status).toBe(0)
    expect(sha256(path.join(directory, 'merged'))).toBe(digest)
    copyFileSync(path.join(directory, 'merged'), path.join(directory, 'copy'))
    setMtime(path.join(directory, 'copy'), pairMtime)
    expect(umlcow(['rebase', '-u', '-b', 'copy', 'idle'], { cwd: directory }).status).toBe(0)
    await guest.halt()
  })
})
