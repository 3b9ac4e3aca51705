import fs from 'node:fs'

/**
 * True when a file descriptor was given to this process and can be written to.
 *
 * Node keeps descriptors of its own, which a number on a command line may hit by chance: event queues, and pipes of
 * which this process holds both ends. Without /proc only standard output and standard error are trusted.
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
    return false // The one that listed the directory is closed again.
  }
}

/** O_RDONLY, O_WRONLY or O_RDWR. @throws where there is no /proc */
export function accessMode(fd: number): number {
  return accessModeOf(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))
}

/** The line `flags:	0100002` is octal; its lowest two bits are the access mode, 0 for reading only. */
export function accessModeOf(fdInfo: string): number {
  for (const line of fdInfo.split('\n')) {
    if (line.startsWith('flags:')) return Number.parseInt(line.slice('flags:'.length).trim(), 8) % 4
  }
  return fs.constants.O_RDONLY
}
