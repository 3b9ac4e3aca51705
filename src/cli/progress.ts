import fs from 'node:fs'
import { UmlcowError } from '../errors.js'
import type { Progress } from '../verbs/operation.js'
import type { CommonFlags } from './context.js'

/** Shows the progress of one operation. */
export interface ProgressView {
  readonly onProgress: ((progress: Progress) => void) | undefined
  /** Leaves the terminal as it was. */
  stop(): void
}

const silent: ProgressView = { onProgress: undefined, stop: () => {} }

/** Time between two lines of JSON, milliseconds. */
const jsonInterval = 250

/**
 * The view that `--progress` asks for: a bar on a terminal by default, `json` for lines of JSON on stderr, a number for
 * lines `N/100` on that file descriptor, `none`.
 *
 * @throws UmlcowError USAGE
 */
export async function openProgress(flags: CommonFlags): Promise<ProgressView> {
  const { progress, quiet } = flags
  if (progress === undefined) return process.stderr.isTTY && !quiet ? openBar() : silent
  if (progress === 'none') return silent
  if (progress === 'bar') return openBar()
  if (progress === 'json') return jsonLines()
  const fd = Number(progress)
  if (progress.trim() === '' || !Number.isInteger(fd) || fd < 0 || fd > 2 ** 20) {
    throw new UmlcowError('USAGE', `--progress takes bar, json, none or a file descriptor, not "${progress}"`)
  }
  try {
    fs.fstatSync(fd)
  } catch {
    throw new UmlcowError('USAGE', `--progress: file descriptor ${fd} is not open`)
  }
  return percentLines(fd)
}

function jsonLines(): ProgressView {
  let last = Number.NEGATIVE_INFINITY
  return {
    onProgress(progress) {
      const finished = progress.transferred >= progress.size
      if (!finished && progress.elapsed - last < jsonInterval) return
      last = progress.elapsed
      process.stderr.write(`${JSON.stringify(progress)}\n`)
    },
    stop: () => {},
  }
}

function percentOf({ transferred, size }: Progress): number {
  return size === 0 ? 100 : Math.floor((transferred / size) * 100)
}

function percentLines(fd: number): ProgressView {
  let last = -1
  return {
    onProgress(progress) {
      const percent = percentOf(progress)
      if (percent === last) return
      last = percent
      fs.writeSync(fd, `${percent}/100\n`)
    },
    stop: () => {},
  }
}

/** A bar on stderr, drawn from the first report on: what is done at once shows none. */
async function openBar(): Promise<ProgressView> {
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    format: '{description} [{bar}] {percentage}% | {eta_formatted}',
    barCompleteChar: '#',
    barIncompleteChar: '-',
    stream: process.stderr,
    hideCursor: false,
    clearOnComplete: true,
    gracefulExit: false,
  })
  let started = false
  return {
    onProgress({ transferred, size, description }) {
      if (!started) bar.start(Math.max(1, size), 0, { description })
      started = true
      bar.update(transferred)
    },
    stop() {
      if (started) bar.stop()
    },
  }
}
