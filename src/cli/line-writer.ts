import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasCode } from '../errors.js'

/** Writes lines to a descriptor without waiting for them; when its reader has gone or is slow, lines are dropped. */
export interface LineWriter {
  write(line: string): void
  /** Gives the last line a moment to arrive. Never fails, never waits for long. */
  finish(): Promise<void>
}

/** Tries and time between them, milliseconds, for the last line to a slow reader. */
const lastTries = 20
const lastPause = 10

/**
 * A pipe gets a description of its own that does not block: a write that waits for a reader would hold up signals, or
 * in the thread pool the end of the process. The flags of the given descriptor, which others share, stay as they are.
 */
function openUnblocked(fd: number): number | null {
  try {
    if (!fs.fstatSync(fd).isFIFO()) return null
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)
  } catch {
    return null // No /proc: then the descriptor is used as it is.
  }
}

export function createLineWriter(fd: number): LineWriter {
  const own = openUnblocked(fd)
  let waiting: string | null = null

  /** False when the reader is slow. Progress is a courtesy: nothing fails because nobody listens. */
  function send(line: string): boolean {
    try {
      fs.writeSync(own ?? fd, line)
    } catch (error) {
      return !hasCode(error, 'EAGAIN')
    }
    return true
  }

  return {
    write(line) {
      waiting = send(line) ? null : line
    },
    async finish() {
      for (let tries = 0; waiting !== null && tries < lastTries; tries++) {
        await sleep(lastPause)
        if (send(waiting)) waiting = null
      }
      if (own !== null) fs.closeSync(own)
    },
  }
}
