import fs from 'node:fs'
import tty from 'node:tty'
import { UmlcowError } from '../../errors.js'
import { deviceNumbers } from '../file-facts.js'
import { accessMode } from './inherited-descriptor.js'

const standardDescriptors = [0, 1, 2]

/**
 * Replace the terminals among the standard descriptors when the process ends.
 *
 * At its end, Node restores the modes of each terminal that it started with. On a terminal that is gone this fails, and
 * Node aborts. It leaves a descriptor alone that holds another file by then. umlcow never changes those modes.
 *
 * A terminal that is still there stays open through another descriptor. Otherwise the reader of its other end hangs up
 * before the process ends, and sees SIGHUP instead of the status.
 */
export function releaseTerminalsAtExit(): void {
  process.on('exit', () => {
    for (const fd of standardDescriptors) releaseTerminal(fd)
  })
}

function releaseTerminal(fd: number): void {
  try {
    // `isatty` returns false for a terminal that is gone.
    if (!fs.fstatSync(fd).isCharacterDevice()) return
    if (tty.isatty(fd)) keepOpen(fd)
    fs.closeSync(fd)
    // This takes the free number. Otherwise messages would go to a file that is opened later.
    fs.openSync('/dev/null', fs.constants.O_RDWR)
  } catch {
    // Closed already, or there is no /dev: Node leaves it alone, too. Or this user may not open the terminal again.
  }
}

/** Open a terminal once more, until the process ends. */
function keepOpen(fd: number): void {
  fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDWR | fs.constants.O_NOCTTY | fs.constants.O_NONBLOCK)
}

/**
 * Test whether a standard descriptor was closed when this process started, as by `>&-`.
 *
 * Node then opens /dev/null for it, for reading and writing. A shell opens /dev/null for only one of the two. Some
 * programs pass /dev/null as Node opens it. That case looks the same, so it also counts as closed.
 */
function isClosedAtStart(fd: number): boolean {
  const { rdev } = fs.fstatSync(fd, { bigint: true })
  const { major, minor } = deviceNumbers(rdev)
  if (major !== 1 || minor !== 3) return false
  try {
    return accessMode(fd) === fs.constants.O_RDWR
  } catch {
    return false // There is no /proc.
  }
}

/** Refuse to begin when the output would be lost. @throws UmlcowError EBADF when standard output is closed */
export function refuseClosedOutput(fd = 1): void {
  if (!isClosedAtStart(fd)) return
  throw new UmlcowError('EBADF', 'standard output: is closed', {
    hint:
      'redirect it to a file or a pipe; a /dev/null that is open for reading, too, looks the same: "> /dev/null" ' +
      'opens it for writing only',
  })
}
