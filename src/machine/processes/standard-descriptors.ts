import fs from 'node:fs'
import tty from 'node:tty'
import { deviceNumbers } from '../file-facts.js'
import { accessMode } from './inherited-descriptor.js'

const standardDescriptors = [0, 1, 2]

/**
 * When the process ends, put another file in the place of the terminals among its standard descriptors.
 *
 * Node sets the modes of each terminal that it started with once more when it ends, and aborts where that fails: on a
 * terminal that is gone. It leaves descriptors alone that are another file by then. Nothing here changes those modes.
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
    // `isatty` says no of a terminal that is gone.
    if (!fs.fstatSync(fd).isCharacterDevice()) return
    if (tty.isatty(fd)) keepOpen(fd)
    fs.closeSync(fd)
    // Takes the number that has become free, so that no file that is opened later gets messages.
    fs.openSync('/dev/null', fs.constants.O_RDWR)
  } catch {
    // Closed already, or there is no /dev: Node leaves it alone, too. Or the terminal is not ours to open again.
  }
}

/** Open a terminal once more. Closed with the process. */
function keepOpen(fd: number): void {
  fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_RDWR | fs.constants.O_NOCTTY | fs.constants.O_NONBLOCK)
}

/**
 * True when a standard descriptor was closed when this process started, as by `>&-`: Node opens /dev/null for it, for
 * reading and writing. A shell opens it for one of them. Some programs hand it over as Node opens it, and nothing tells
 * theirs from Node's.
 */
export function isClosedAtStart(fd: number): boolean {
  const { rdev } = fs.fstatSync(fd, { bigint: true })
  const { major, minor } = deviceNumbers(rdev)
  if (major !== 1 || minor !== 3) return false
  try {
    return accessMode(fd) === fs.constants.O_RDWR
  } catch {
    return false // There is no /proc.
  }
}
