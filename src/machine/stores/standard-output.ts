import fs from 'node:fs'
import tty from 'node:tty'
import { UmlcowError } from '../../errors.js'
import type { BlockStore } from '../../stores/block-store.js'
import { type FileFacts, factsOfDescriptor } from '../host-files.js'
import { isClosedAtStart } from '../processes/standard-descriptors.js'
import { openPipeStore } from './pipe-store.js'

const standardOutputFd = 1

/**
 * Open standard output for an image or an archive, with its facts: it may be redirected to one of the inputs.
 *
 * @param what  the output that a terminal must not get; null for one that it may get
 * @throws      UmlcowError USAGE when it is a terminal, EBADF when it is closed: the output would be lost
 */
export function standardOutput(what: string | null = 'an image'): { pipe: BlockStore; facts: FileFacts | null } {
  if (what !== null && tty.isatty(standardOutputFd)) {
    throw new UmlcowError('USAGE', `cannot write ${what} to a terminal: redirect standard output`)
  }
  refuseClosedOutput()
  const stats = fs.fstatSync(standardOutputFd)
  const facts = stats.isFile() || stats.isBlockDevice() ? factsOfDescriptor(standardOutputFd) : null
  return { pipe: openPipeStore(standardOutputFd, 'standard output'), facts }
}

/** Refuse to begin when the output would be lost. @throws UmlcowError EBADF when standard output is closed */
export function refuseClosedOutput(): void {
  if (!isClosedAtStart(standardOutputFd)) return
  throw new UmlcowError('EBADF', 'standard output: is closed', {
    hint:
      'redirect it to a file or a pipe; a /dev/null that is open for reading, too, looks the same: "> /dev/null" ' +
      'opens it for writing only',
  })
}
