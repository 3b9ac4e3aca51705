import fs from 'node:fs'

/**
 * Test whether this process inherited a file descriptor that it can write to.
 *
 * Node keeps descriptors of its own: event queues, and pipes with both ends in this process. A number on a command line
 * may hit one of them by chance. Without /proc, umlcow trusts only standard output and standard error.
 */
export function isInheritedAndWritable(fd: number): boolean {
  try {
    const link = linkOf(fd)
    if (link.startsWith('anon_inode:') || accessMode(fd) === fs.constants.O_RDONLY) return false
    if (!link.startsWith('pipe:')) return true
    return !openDescriptors().some((other) => isReadEndOf(link, other))
  } catch {
    return (fd === 1 || fd === 2) && !fs.existsSync('/proc/self/fd')
  }
}

function linkOf(fd: number): string {
  return fs.readlinkSync(`/proc/self/fd/${fd}`)
}

function openDescriptors(): number[] {
  return fs.readdirSync('/proc/self/fd').map(Number)
}

function isReadEndOf(pipe: string, fd: number): boolean {
  try {
    return linkOf(fd) === pipe && accessMode(fd) === fs.constants.O_RDONLY
  } catch {
    return false // The descriptor that listed the directory is closed again.
  }
}

/** Read the access mode of a descriptor: O_RDONLY, O_WRONLY or O_RDWR. @throws where there is no /proc */
export function accessMode(fd: number): number {
  return accessModeOf(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))
}

/** Parse the access mode. The line `flags:	0100002` is octal; its lowest two bits are the mode, 0 for reading only. */
export function accessModeOf(fdInfo: string): number {
  for (const line of fdInfo.split('\n')) {
    if (line.startsWith('flags:')) return Number.parseInt(line.slice('flags:'.length).trim(), 8) % 4
  }
  return fs.constants.O_RDONLY
}
