import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasCode } from '../errors.js'

/** Writes lines to a descriptor and never waits. It drops lines when the reader has gone or is slow. */
export interface LineWriter {
  write(line: string): void
  /** Gives the last line a moment to arrive. Never fails, never waits for long. */
  finish(): Promise<void>
}

/** Tries and time between them, milliseconds, for the last line to a slow reader. */
const lastTries = 20
const lastPause = 10

/**
 * Open a pipe again so that writes do not block: a write that waits for a reader would hold up signals, or the end of
 * the process. The given descriptor keeps its flags, because other processes share them.
 */
function openUnblocked(fd: number): number | null {
  try {
    if (!fs.fstatSync(fd).isFIFO()) return null
    return fs.openSync(`/proc/self/fd/${fd}`, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK)
  } catch {
    return null // No /proc: use the descriptor itself.
  }
}

export function createLineWriter(fd: number): LineWriter {
  const own = openUnblocked(fd)
  let waiting: string | null = null

  /** False when the reader is slow. A failed write is no error: progress is a courtesy. */
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
