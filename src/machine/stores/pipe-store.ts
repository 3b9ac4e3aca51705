import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import tty from 'node:tty'
import { nextTurn } from '../../bytes/next-turn.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { BlockStore } from '../../stores/block-store.js'
import { fileError } from './file-store.js'
import { sequentialStore } from './sequential-store.js'

/**
 * Make writes to standard output fail with EAGAIN instead of waiting.
 *
 * A write that waits in the thread pool keeps even `process.exit` from ending the process. In Node, only the streams
 * for standard output make a descriptor non-blocking.
 */
function makeNonBlocking(fd: number): void {
  const stats = fs.fstatSync(fd)
  if (fd === 1 && (stats.isFIFO() || stats.isSocket() || tty.isatty(fd))) process.stdout.on('error', () => {})
}

function terminalGone(name: string, cause: unknown): UmlcowError {
  return new UmlcowError('INTERRUPTED', `${name}: the terminal is gone`, { cause })
}

/** So often a full pipe is tried again at once: a reader that reads has emptied it by then. */
const quickTries = 50

/** Wait for a reader who reads, and then for one who does something else: milliseconds. */
function untilRead(tries: number): Promise<void> {
  return tries <= quickTries ? nextTurn() : sleep(tries <= 2 * quickTries ? 1 : 5)
}

/**
 * Make a store that takes bytes once, from start to end: standard output, a pipe or a terminal.
 *
 * Writes go through the thread pool, so signals still work when the reader stops reading. Once a terminal is gone,
 * writes fail with INTERRUPTED, as after SIGHUP: nobody is there any more.
 */
export function openPipeStore(fd: number, name: string): BlockStore {
  // A terminal that is gone no longer looks like one.
  const isTerminal = tty.isatty(fd)

  return sequentialStore(name, async (bytes, position) => {
    if (position === 0) makeNonBlocking(fd)
    for (let tries = 1; ; tries++) {
      try {
        return await new Promise<number>((resolve, reject) => {
          fs.write(fd, bytes, 0, bytes.length, null, (error, written) => (error ? reject(error) : resolve(written)))
        })
      } catch (error) {
        if (isTerminal && hasCode(error, 'EIO')) throw terminalGone(name, error)
        if (!hasCode(error, 'EAGAIN')) throw fileError(name, 'write', error)
        await untilRead(tries)
      }
    }
  })
}
