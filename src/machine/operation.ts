import type { HostFiles } from './host-files.js'

/** How far an operation is; sizes in bytes. */
export interface Progress {
  readonly transferred: number
  readonly size: number
  /** Milliseconds since the start. */
  readonly elapsed: number
  readonly description: string
}

/** What every operation takes. */
export interface OperationOptions {
  /** The host's files; another implementation can record or fail them. */
  readonly files?: HostFiles | undefined
  readonly signal?: AbortSignal | undefined
  /** Called at most about 40 times a second, and at the end. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** A listener for positions that reports them as progress. */
export function progressReporter(
  options: OperationOptions,
  size: number,
  description: string,
): ((transferred: number) => void) | undefined {
  const { onProgress } = options
  if (onProgress === undefined) return undefined
  const started = performance.now()
  return (transferred) => {
    onProgress({ transferred, size, elapsed: Math.round(performance.now() - started), description })
  }
}

/**
 * Listeners for the parts of one operation, so that what is reported never goes back.
 *
 * @param size  of the whole, bytes
 * @returns     makes the listener of a part: its share of the whole, from 0 to 1, and the positions that it goes through
 */
export function progressInParts(options: OperationOptions, size: number): PartReporter {
  const started = performance.now()
  return (description, [from, to], partSize = size) => {
    const { onProgress } = options
    if (onProgress === undefined) return undefined
    return (position) => {
      const share = from + (to - from) * (partSize === 0 ? 1 : Math.min(1, position / partSize))
      const transferred = share === 1 ? size : Math.floor(share * size)
      onProgress({ transferred, size, elapsed: Math.round(performance.now() - started), description })
    }
  }
}

export type PartReporter = (
  description: string,
  share: readonly [from: number, to: number],
  partSize?: number,
) => ((position: number) => void) | undefined
