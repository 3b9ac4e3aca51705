import tty from 'node:tty'
import { formatSize } from '../bytes/size-text.js'
import { UmlcowError } from '../errors.js'
import type { Progress } from '../machine/operation-options.js'
import { isInheritedAndWritable } from '../machine/processes/inherited-descriptor.js'
import { createLineWriter } from './line-writer.js'
import { messageStream } from './messages.js'

/** The options of a verb that decide how it shows its progress. */
export interface ProgressFlags {
  readonly quiet?: boolean | undefined
  readonly progress?: string | undefined
}

/** Shows the progress of one operation. */
export interface ProgressView {
  readonly onProgress: ((progress: Progress) => void) | undefined
  /** Leaves the terminal as it was, and lets the last line arrive. */
  stop(): Promise<void>
}

const messageFd = 2

const silent: ProgressView = { onProgress: undefined, stop: async () => {} }

/** Time between two lines of JSON, milliseconds. */
const jsonInterval = 250

/**
 * The view for `--progress`: a bar on a terminal by default; `json`: lines of JSON on stderr; a number: lines `N/100`
 * on that file descriptor; `none`.
 *
 * @param stdoutTaken  standard output carries an image or a JSON document
 * @throws             UmlcowError USAGE
 */
export async function openProgress(flags: ProgressFlags, stdoutTaken: boolean): Promise<ProgressView> {
  const { progress, quiet } = flags
  if (progress === undefined) return tty.isatty(messageFd) && !quiet ? openBar() : silent
  if (progress === 'none') return silent
  if (progress === 'bar') return openBar()
  if (progress === 'json') return jsonLines()
  return percentLines(checkedDescriptor(progress, stdoutTaken))
}

/** Do something with a view of its progress. */
export async function withProgress<T>(
  flags: ProgressFlags,
  stdoutTaken: boolean,
  run: (view: ProgressView) => Promise<T>,
): Promise<T> {
  const view = await openProgress(flags, stdoutTaken)
  try {
    return await run(view)
  } finally {
    await view.stop()
  }
}

function checkedDescriptor(text: string, stdoutTaken: boolean): number {
  const fd = Number(text)
  if (text.trim() === '' || !Number.isInteger(fd) || fd < 0 || fd > 2 ** 20) {
    throw new UmlcowError('USAGE', `--progress takes bar, json, none or a file descriptor, not "${text}"`)
  }
  if (fd === 1 && stdoutTaken)
    throw new UmlcowError('USAGE', '--progress=1: standard output is taken by the image or the JSON document')
  if (isInheritedAndWritable(fd)) return fd
  throw new UmlcowError('USAGE', `--progress: file descriptor ${fd} is not open for writing`)
}

/** Make a function that says which reports become lines of JSON: one in a while, and the last of each part. */
export function createLineFilter(): (progress: Progress) => boolean {
  let last = Number.NEGATIVE_INFINITY
  return ({ transferred, size, elapsed }) => {
    // The clock starts anew with each part of the work.
    const isAtEnd = transferred >= size && (size > 0 || transferred === 0)
    const isDue = isAtEnd || elapsed - last >= jsonInterval || elapsed < last
    if (isDue) last = elapsed
    return isDue
  }
}

/** Schema: docs/schema/progress.json */
function jsonLines(): ProgressView {
  const writer = createLineWriter(messageFd)
  const isDue = createLineFilter()
  return {
    onProgress(progress) {
      if (isDue(progress)) writer.write(`${JSON.stringify(progress)}\n`)
    },
    stop: () => writer.finish(),
  }
}

/** True for a stream whose end is not known yet. */
function isUnknown({ transferred, size }: Progress): boolean {
  return size === 0 && transferred > 0
}

function percentOf({ transferred, size }: Progress): number {
  return size === 0 ? 100 : Math.floor((transferred / size) * 100)
}

function percentLines(fd: number): ProgressView {
  const writer = createLineWriter(fd)
  let last = -1
  return {
    onProgress(progress) {
      if (isUnknown(progress)) return
      const percent = percentOf(progress)
      if (percent === last) return
      last = percent
      writer.write(`${percent}/100\n`)
    },
    stop: () => writer.finish(),
  }
}

const barFormat = '{description} [{bar}] {percentage}% | {eta_formatted}'

/** A bar on stderr. It appears with the first report, so an operation that ends at once shows none. */
async function openBar(): Promise<ProgressView> {
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    format: (options, params, payload) =>
      payload.size === 0
        ? `${payload.description} ${formatSize(params.value)}`
        : cliProgress.Format.Formatter({ ...options, format: barFormat }, params, payload),
    barCompleteChar: '#',
    barIncompleteChar: '-',
    stream: messageStream(),
    hideCursor: false,
    clearOnComplete: true,
    gracefulExit: false,
  })
  let started = false
  return {
    onProgress(progress) {
      const { transferred, description } = progress
      const size = isUnknown(progress) ? 0 : Math.max(1, progress.size)
      if (!started) bar.start(size, 0, { description, size })
      started = true
      bar.setTotal(size)
      bar.update(transferred, { description, size })
    },
    async stop() {
      if (started) bar.stop()
    },
  }
}
