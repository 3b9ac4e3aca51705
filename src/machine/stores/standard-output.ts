import fs from 'node:fs'
import tty from 'node:tty'
import { UmlcowError } from '../../errors.js'
import type { BlockStore } from '../../stores/block-store.js'
import { type FileFacts, factsOfDescriptor } from '../host-files.js'
import { refuseClosedOutput } from '../processes/standard-descriptors.js'
import { openPipeStore } from './pipe-store.js'

const standardOutputFd = 1
const standardErrorFd = 2

/**
 * Check a descriptor that an image or an archive goes to.
 *
 * @param what  the output that a terminal must not get; null for one that it may get
 * @returns     the file behind it, null for none: it may be one of the inputs
 * @throws      UmlcowError USAGE when it is a terminal, EBADF when it was closed: the output would be lost
 */
export function factsOfOutput(fd: number, what: string | null): FileFacts | null {
  if (what !== null && tty.isatty(fd)) {
    throw new UmlcowError('USAGE', `cannot write ${what} to a terminal: redirect standard output`)
  }
  if (fd <= standardErrorFd) refuseClosedOutput(fd)
  const stats = fs.fstatSync(fd)
  return stats.isFile() || stats.isBlockDevice() ? factsOfDescriptor(fd) : null
}

/** Open standard output for an image or an archive. @param what  as for `factsOfOutput` */
export function standardOutput(what: string | null = 'an image'): { pipe: BlockStore; facts: FileFacts | null } {
  const facts = factsOfOutput(standardOutputFd, what)
  return { pipe: openPipeStore(standardOutputFd, 'standard output'), facts }
}
