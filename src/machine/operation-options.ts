import type { HostFiles } from './host-files.js'

/** The progress of a part of an operation. */
export interface Progress {
  readonly transferred: number
  /**
   * Guest bytes for merges and checks; names for humfs trees; bytes of content and names together for `exportTree`; bytes
   * of the input for a raw image that is read once, and 0 for such a stream as long as its end is not known.
   */
  readonly size: number
  /** Milliseconds since the part began. */
  readonly elapsed: number
  readonly description: string
}

/** Options of every operation. */
export interface OperationOptions {
  /** The host's files. Another implementation can record calls or make them fail. */
  readonly files?: HostFiles | undefined
  readonly signal?: AbortSignal | undefined
  /** umlcow calls it at most about 40 times a second, and at the end. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

/** Make a listener that reports positions as progress. */
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
 * Make listeners for the parts of one operation. The progress that they report never goes back.
 *
 * @param size  size of the whole, bytes
 * @returns     a function that makes the listener of a part from its share of the whole, 0 to 1, and its size
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
