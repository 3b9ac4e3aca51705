import type { HostFiles } from '../host/host-files.js'

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
