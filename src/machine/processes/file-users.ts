import fs from 'node:fs'
import { hasCode } from '../../errors.js'
import { deviceNumbers, type FileFacts } from '../file-facts.js'
import { accessModeOf } from './inherited-descriptor.js'
import { readLocks } from './proc-locks.js'

/** A process or loop device that has a file open or locked. */
export interface FileUser {
  /** -1 for the lock of an open file description, whose owner the kernel does not report; 0 for a loop device. */
  readonly pid: number
  readonly access: 'read' | 'write'
  /** Where umlcow saw it: a line of /proc/locks, an open file in /proc/PID/fd, or a loop device. */
  readonly seen: 'lock' | 'open' | 'loop'
}

/** Entries of `unseen` where there is no /proc/locks, and where there is no /proc at all. */
export const unseenLocks = 'locks: there is no /proc/locks'
export const unseenOpenFiles = 'open files: there is no /proc'

export interface FileUsers {
  readonly users: readonly FileUser[]
  /** What umlcow could not look at, as text for messages. Unless it is empty, a lack of users proves little. */
  readonly unseen: readonly string[]
}

/**
 * Find who has files open: by locks, by the open files of processes, and by loop devices. It reads each of these lists
 * once, however many files there are.
 *
 * UML takes a write lock on the overlay and a read lock on the backing file, and none with its `c` flag.
 *
 * @returns the users of each of `files`, in the same order
 * @see     native-free-notes/locks.md for what none of these shows
 */
export async function findUsers(files: readonly FileFacts[]): Promise<FileUsers[]> {
  const unseen: string[] = []
  const sought: Sought = new Map()
  for (const facts of files) sought.set(fileKey(facts), new Map())
  // The kernel may sleep 10 ms before it lists its locks.
  const locks = readLocks()
  findOpenHolders(sought, unseen)
  findLoopHolders(sought)
  findLockHolders(sought, await locks, new Map(files.map((facts) => [lockPlace(facts), fileKey(facts)])), unseen)
  return files.map((facts) => ({ users: [...sought.get(fileKey(facts))!.values()], unseen }))
}

/** Users by process, for each file by its `fileKey`. */
type Sought = Map<string, Map<string, FileUser>>

/** Name a file by device and inode, and a block device by its number: all nodes of a device have the same name. */
function fileKey({ kind, device, inode, deviceId }: Pick<FileFacts, 'kind' | 'device' | 'inode' | 'deviceId'>): string {
  return kind === 'blockDevice' ? `block ${deviceId}` : `${device}:${inode}`
}

function fileKeyOf(stats: fs.BigIntStats): string {
  const kind = stats.isBlockDevice() ? 'blockDevice' : 'other'
  return fileKey({ kind, device: stats.dev, inode: stats.ino, deviceId: stats.rdev })
}

function add(sought: Sought, key: string, user: FileUser): void {
  const users = sought.get(key)
  const userKey = `${user.pid} ${user.seen === 'loop'}`
  const known = users?.get(userKey)
  // Writing matters more than reading, and a lock says more than an open file.
  const isStronger =
    known === undefined || (known.access === user.access ? user.seen === 'lock' : user.access === 'write')
  if (isStronger) users?.set(userKey, user)
}

/**
 * Choose the users to name: loop devices and holders of locks, or everybody when there are none.
 *
 * The helpers of a UML share its open files, so one guest would show as half a dozen processes.
 */
export function mainUsers(users: readonly FileUser[]): readonly FileUser[] {
  const named = users.filter((user) => user.seen !== 'open')
  return named.length > 0 ? named : users
}

/** Name a file as /proc/locks does: device numbers in hexadecimal. */
function lockPlace(facts: FileFacts): string {
  const { major, minor } = deviceNumbers(facts.device)
  return `${[major, minor].map((n) => n.toString(16).padStart(2, '0')).join(':')}:${facts.inode}`
}

/**
 * Parse lines like `1: POSIX  ADVISORY  WRITE 1234 fe:00:2408463 0 EOF`. A line that waits for a lock has `->` after
 * its number.
 */
function findLockHolders(
  sought: Sought,
  text: string | Error | null,
  keys: ReadonlyMap<string, string>,
  unseen: string[],
): void {
  if (text instanceof Error) throw text
  if (text === null) {
    unseen.push(unseenLocks)
    return
  }
  for (const line of text.split('\n')) {
    const words = line.split(' ').filter((word) => word !== '' && word !== '->')
    const [, , , access, pid, place] = words
    const key = keys.get(place ?? '')
    if (key === undefined || Number(pid) === process.pid) continue
    add(sought, key, { pid: Number(pid), access: access === 'WRITE' ? 'write' : 'read', seen: 'lock' })
  }
}

/** The inode of the kernel's first pid namespace, which holds every process. */
const initialPidNamespace = 'pid:[4026531836]'

function findOpenHolders(sought: Sought, unseen: string[]): void {
  let entries: string[]
  try {
    entries = fs.readdirSync('/proc')
    if (fs.readlinkSync('/proc/self/ns/pid') !== initialPidNamespace) unseen.push('processes of other pid namespaces')
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'EACCES', 'EPERM')) throw error
    unseen.push(unseenOpenFiles)
    return
  }
  // With hidepid, /proc does not even list the processes of other users. Process 1 is never ours.
  let othersHidden = !entries.includes('1')
  for (const entry of entries) {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    if (!findOpenFiles(sought, pid)) othersHidden = true
  }
  if (othersHidden) unseen.push('open files of other users')
}

/** Add the open files of a process. @returns false when the host hides them */
function findOpenFiles(sought: Sought, pid: number): boolean {
  let fds: string[]
  try {
    fds = fs.readdirSync(`/proc/${pid}/fd`)
  } catch (error) {
    if (hasCode(error, 'EACCES', 'EPERM')) return false
    if (hasCode(error, 'ENOENT', 'ESRCH')) return true // The process has ended.
    throw error
  }
  for (const fd of fds) {
    try {
      // Sockets and pipes have no path. Not asking for their inode saves most of the work.
      if (!fs.readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('/')) continue
      const key = fileKeyOf(fs.statSync(`/proc/${pid}/fd/${fd}`, { bigint: true }))
      if (!sought.has(key)) continue
      const info = fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1')
      add(sought, key, { pid, access: accessModeOf(info) === fs.constants.O_RDONLY ? 'read' : 'write', seen: 'open' })
    } catch {
      // Closed meanwhile, or on a file system that has gone away.
    }
  }
  return true
}

/** Add loop devices: the kernel itself has their files open, so no process shows them. */
function findLoopHolders(sought: Sought): void {
  for (const name of readNames('/sys/block').filter((one) => one.startsWith('loop'))) {
    const directory = `/sys/block/${name}`
    try {
      const path = fs.readFileSync(`${directory}/loop/backing_file`, 'latin1')
      const plain = Buffer.from(path.endsWith('\n') ? path.slice(0, -1) : path, 'latin1')
      const key = fileKeyOf(fs.statSync(plain, { bigint: true }))
      if (!sought.has(key)) continue
      const readOnly = fs.readFileSync(`${directory}/ro`, 'latin1').trim() === '1'
      add(sought, key, { pid: 0, access: readOnly ? 'read' : 'write', seen: 'loop' })
    } catch {
      // A loop device without a file, or that name does not lead to its file.
    }
  }
}

function readNames(directory: string): string[] {
  try {
    return fs.readdirSync(directory)
  } catch {
    return [] // No /sys: not Linux, or a bare chroot.
  }
}
