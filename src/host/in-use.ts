import fs from 'node:fs'
import { hasCode } from '../errors.js'
import { deviceNumbers, type FileFacts } from './host-files.js'
import { accessModeOf } from './inherited-descriptor.js'

/** Somebody who has a file open or locked. */
export interface FileUser {
  /** -1 for the lock of an open file description, whose owner the kernel does not tell; 0 for a loop device. */
  readonly pid: number
  readonly access: 'read' | 'write'
  /** How it was seen: a line of /proc/locks, an open file in /proc/PID/fd, or a loop device. */
  readonly seen: 'lock' | 'open' | 'loop'
}

export interface FileUsers {
  readonly users: readonly FileUser[]
  /** What could not be looked at, for people; silence proves little when there is something here. */
  readonly unseen: readonly string[]
}

/**
 * Find who has a file open: by locks, by the open files of processes, by loop devices.
 *
 * UML takes a write lock on the overlay and a read lock on the backing file, and none with its `c` flag.
 *
 * @see native-free-notes/locks.md for what none of these shows
 */
export function findUsers(facts: FileFacts): FileUsers {
  const unseen: string[] = []
  const found = [...lockHolders(facts, unseen), ...openHolders(facts, unseen), ...loopHolders(facts)]
  const users = new Map<string, FileUser>()
  for (const user of found) {
    const key = `${user.pid} ${user.seen === 'loop'}`
    const known = users.get(key)
    // A lock tells more than an open file; writing matters more than reading.
    if (known === undefined || (known.access === 'read' && user.access === 'write')) users.set(key, user)
  }
  return { users: [...users.values()], unseen }
}

/**
 * The users to name: who holds a lock, else everybody. The helpers of a UML share its open files, so that one guest
 * would show as half a dozen processes.
 */
export function mainUsers(users: readonly FileUser[]): readonly FileUser[] {
  const named = users.filter((user) => user.seen !== 'open')
  return named.length > 0 ? named : users
}

/**
 * Lines like `1: POSIX  ADVISORY  WRITE 1234 fe:00:2408463 0 EOF`, device numbers in hexadecimal. Those that wait for a
 * lock have `->` after the number.
 */
function lockHolders(facts: FileFacts, unseen: string[]): FileUser[] {
  let text: string
  try {
    text = fs.readFileSync('/proc/locks', 'latin1')
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EACCES', 'EPERM')) throw error
    unseen.push('locks: there is no /proc/locks')
    return []
  }
  const { major, minor } = deviceNumbers(facts.device)
  const place = [major, minor].map((n) => n.toString(16).padStart(2, '0')).join(':')
  const users: FileUser[] = []
  for (const line of text.split('\n')) {
    const words = line.split(' ').filter((word) => word !== '' && word !== '->')
    const [, , , access, pid, file] = words
    if (file !== `${place}:${facts.inode}` || Number(pid) === process.pid) continue
    users.push({ pid: Number(pid), access: access === 'WRITE' ? 'write' : 'read', seen: 'lock' })
  }
  return users
}

/** The inode that the kernel gives its first pid namespace, the one that holds every process. */
const initialPidNamespace = 'pid:[4026531836]'

function openHolders(facts: FileFacts, unseen: string[]): FileUser[] {
  let entries: string[]
  try {
    entries = fs.readdirSync('/proc')
    if (fs.readlinkSync('/proc/self/ns/pid') !== initialPidNamespace) unseen.push('processes of other pid namespaces')
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EACCES', 'EPERM')) throw error
    unseen.push('open files: there is no /proc')
    return []
  }
  const users: FileUser[] = []
  // With hidepid, processes of others are not even listed; process 1 is never ours.
  let othersHidden = !entries.includes('1')
  for (const entry of entries) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const access = accessOf(`/proc/${pid}`, facts)
    if (access === 'hidden') othersHidden = true
    else if (access !== null) users.push({ pid, access, seen: 'open' })
  }
  if (othersHidden) unseen.push('open files of other users')
  return users
}

function accessOf(processDirectory: string, facts: FileFacts): FileUser['access'] | 'hidden' | null {
  let fds: string[]
  try {
    fds = fs.readdirSync(`${processDirectory}/fd`)
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM')) return 'hidden'
    if (hasCode(error, 'ENOENT', 'ESRCH')) return null // The process has ended.
    throw error
  }
  let strongest: FileUser['access'] | null = null
  for (const fd of fds) {
    const access = accessThrough(processDirectory, fd, facts)
    if (access === 'write') return 'write'
    strongest ??= access
  }
  return strongest
}

function accessThrough(processDirectory: string, fd: string, facts: FileFacts): FileUser['access'] | null {
  try {
    // Sockets and pipes have no path; not asking for their inode saves most of the work.
    if (!fs.readlinkSync(`${processDirectory}/fd/${fd}`).startsWith('/')) return null
    const stats = fs.statSync(`${processDirectory}/fd/${fd}`, { bigint: true })
    if (stats.dev !== facts.device || stats.ino !== facts.inode) return null
    const info = fs.readFileSync(`${processDirectory}/fdinfo/${fd}`, 'latin1')
    return accessModeOf(info) === fs.constants.O_RDONLY ? 'read' : 'write'
  } catch {
    return null // Closed meanwhile, or on a file system that has gone away.
  }
}

/** The kernel itself has the file of a loop device open; no process shows it. */
function loopHolders(facts: FileFacts): FileUser[] {
  const users: FileUser[] = []
  for (const name of readNames('/sys/block').filter((one) => one.startsWith('loop'))) {
    const directory = `/sys/block/${name}`
    try {
      const path = fs.readFileSync(`${directory}/loop/backing_file`, 'latin1')
      const stats = fs.statSync(Buffer.from(path.endsWith('\n') ? path.slice(0, -1) : path, 'latin1'), { bigint: true })
      if (stats.dev !== facts.device || stats.ino !== facts.inode) continue
      const readOnly = fs.readFileSync(`${directory}/ro`, 'latin1').trim() === '1'
      users.push({ pid: 0, access: readOnly ? 'read' : 'write', seen: 'loop' })
    } catch {
      // A loop device without a file, or one whose file cannot be reached by that name.
    }
  }
  return users
}

function readNames(directory: string): string[] {
  try {
    return fs.readdirSync(directory)
  } catch {
    return [] // No /sys: not Linux, or a bare chroot.
  }
}
