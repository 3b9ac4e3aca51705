import fs from 'node:fs'
import tty from 'node:tty'
import { UmlcowError } from '../errors.js'
import type { BlockStore } from '../stores/block-store.js'
import { openPipeStore } from '../stores/pipe-store.js'
import { type FileFacts, factsOfDescriptor } from './host-files.js'

const standardOutputFd = 1

/**
 * Standard output for an image, with its facts: it may be redirected to one of the inputs.
 *
 * @throws UmlcowError USAGE when it is a terminal
 */
export function standardOutput(): { pipe: BlockStore; facts: FileFacts | null } {
  if (tty.isatty(standardOutputFd)) {
    throw new UmlcowError('USAGE', 'an image is nothing for a terminal: redirect standard output')
  }
  const stats = fs.fstatSync(standardOutputFd)
  const facts = stats.isFile() || stats.isBlockDevice() ? factsOfDescriptor(standardOutputFd) : null
  return { pipe: openPipeStore(standardOutputFd, 'standard output'), facts }
}
