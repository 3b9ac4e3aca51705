import fs from 'node:fs'
import { orInterrupted } from '../errors.js'

/** Writes lines to a descriptor without waiting for them; when its reader has gone or is slow, lines are dropped. */
export interface LineWriter {
  write(line: string): void
  /** Resolves when what was written last has arrived, or cannot any more. */
  finish(signal: AbortSignal): Promise<void>
}

/** One line is on its way at a time, and the newest waits; so the last one always gets its turn. */
export function createLineWriter(fd: number): LineWriter {
  let running: Promise<void> | null = null
  let next: string | null = null

  async function run(): Promise<void> {
    while (next !== null) {
      const line = next
      next = null
      // Progress is a courtesy: nothing fails because nobody listens.
      await new Promise<void>((resolve) => fs.write(fd, line, null, 'utf8', () => resolve()))
    }
    running = null
  }

  return {
    write(line) {
      next = line
      running ??= run()
    },
    async finish(signal) {
      if (running !== null && !signal.aborted) await orInterrupted(running, signal)
    },
  }
}
