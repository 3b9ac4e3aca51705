import fs from 'node:fs'
import { hasCode } from '../errors.js'
import { deviceNumbers, type FileFacts } from './host-files.js'

/** A process that has a file open or locked. */
export interface FileUser {
  /** 0 or -1 when the kernel does not tell: another pid namespace, or a lock of an open file description. */
  readonly pid: number
  readonly access: 'read' | 'write'
  /** How it was seen: a line of /proc/locks, or an open file in /proc/PID/fd. */
  readonly seen: 'lock' | 'open'
}

export interface FileUsers {
  readonly users: readonly FileUser[]
  /** False when there is no /proc, or processes of others could not be looked into: silence then proves nothing. */
  readonly complete: boolean
}

/**
 * Find the processes that have a file open: by their locks, and by their open files where we may look.
 *
 * UML takes a write lock on the overlay and a read lock on the backing file, and none with its `c` flag.
 *
 * @see native-free-notes/locks.md for what neither shows
 */
export function findUsers(facts: FileFacts): FileUsers {
  const locks = lockHolders(facts)
  const opens = openHolders(facts)
  const users = new Map<string, FileUser>()
  for (const user of [...locks.users, ...opens.users]) {
    const key = String(user.pid)
    const known = users.get(key)
    // A lock tells more than an open file; writing matters more than reading.
    if (known === undefined || (known.access === 'read' && user.access === 'write')) users.set(key, user)
  }
  return { users: [...users.values()], complete: locks.complete && opens.complete }
}

/**
 * Lines like `1: POSIX  ADVISORY  WRITE 1234 fe:00:2408463 0 EOF`, device numbers in hexadecimal. Those that wait for a
 * lock have `->` after the number.
 */
function lockHolders(facts: FileFacts): FileUsers {
  let text: string
  try {
    text = fs.readFileSync('/proc/locks', 'latin1')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return { users: [], complete: false }
    throw error
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
  return { users, complete: true }
}

function openHolders(facts: FileFacts): FileUsers {
  const users: FileUser[] = []
  let complete = true
  let entries: string[]
  try {
    entries = fs.readdirSync('/proc')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EACCES')) return { users, complete: false }
    throw error
  }
  for (const entry of entries) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    const access = accessOf(`/proc/${pid}`, facts)
    if (access === 'unknown') complete = false
    else if (access !== null) users.push({ pid, access, seen: 'open' })
  }
  return { users, complete }
}

function accessOf(processDirectory: string, facts: FileFacts): FileUser['access'] | 'unknown' | null {
  let fds: string[]
  try {
    fds = fs.readdirSync(`${processDirectory}/fd`)
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM')) return 'unknown'
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
    return isWritable(`${processDirectory}/fdinfo/${fd}`) ? 'write' : 'read'
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENXIO')) return null // Closed meanwhile.
    throw error
  }
}

/** The line `flags:	0100002` is octal; its lowest two bits are the access mode, 0 for reading only. */
function isWritable(fdInfo: string): boolean {
  for (const line of fs.readFileSync(fdInfo, 'latin1').split('\n')) {
    if (line.startsWith('flags:')) return Number.parseInt(line.slice('flags:'.length).trim(), 8) % 4 !== 0
  }
  return false
}
