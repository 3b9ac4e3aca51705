import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import tty from 'node:tty'
import { hasCode, UmlcowError } from '../../errors.js'
import type { BlockStore } from '../../stores/block-store.js'
import { OpenState } from '../../stores/open-state.js'
import { fileError } from './file-store.js'

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

/**
 * Make a store that takes bytes once, from start to end: standard output, a pipe or a terminal.
 *
 * Writes go through the thread pool, so signals still work when the reader stops reading. Once a terminal is gone,
 * writes fail with INTERRUPTED, as after SIGHUP: nobody is there any more.
 */
export function openPipeStore(fd: number, name: string): BlockStore {
  let size = 0
  const state = new OpenState(name)
  // A terminal that is gone no longer looks like one.
  const isTerminal = tty.isatty(fd)

  async function write(offset: number, source: Uint8Array): Promise<number> {
    if (offset !== size)
      throw new UmlcowError('OUT_OF_RANGE', `${name}: cannot write at offset ${offset}: not seekable`)
    if (size === 0) makeNonBlocking(fd)
    for (;;) {
      try {
        const count = await new Promise<number>((resolve, reject) => {
          fs.write(fd, source, 0, source.length, null, (error, written) => (error ? reject(error) : resolve(written)))
        })
        size += count
        return count
      } catch (error) {
        if (isTerminal && hasCode(error, 'EIO')) throw terminalGone(name, error)
        // The reader needs a moment.
        if (!hasCode(error, 'EAGAIN')) throw fileError(name, 'write', error)
        await sleep(5)
      }
    }
  }

  return {
    name,
    get size() {
      return size
    },
    write: (offset, source) => state.run(() => write(offset, source)),
    read: async () => {
      state.assertOpen()
      throw new UmlcowError('OUT_OF_RANGE', `${name}: cannot be read`)
    },
    truncate: async () => state.assertOpen(),
    sync: async () => state.assertOpen(),
    // The descriptor is not ours.
    close: () => state.close(async () => {}),
  }
}
