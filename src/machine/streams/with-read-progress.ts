import type { OperationOptions, Progress } from '../operation-options.js'

/** Time between two reports, milliseconds. */
const interval = 25

export interface ReadProgressOptions extends OperationOptions {
  /** Bytes of the source; null while nobody knows: reports then have the size 0 up to the last one. */
  readonly size: number | null
  readonly description: string
}

/** Pass the pieces of a source on, and report how many bytes of it were read. */
export async function* withReadProgress(
  source: AsyncIterable<Uint8Array>,
  { size, description, onProgress }: ReadProgressOptions,
): AsyncGenerator<Uint8Array> {
  const started = performance.now()
  let [last, transferred] = [started, 0]
  const report = (all: number) => {
    last = performance.now()
    onProgress?.({ transferred, size: all, elapsed: Math.round(last - started), description })
  }
  for await (const piece of source) {
    yield piece
    transferred += piece.length
    if (performance.now() - last >= interval) report(size === null ? 0 : Math.max(size, transferred))
  }
  report(transferred)
}

/** Let an operation report the first or the second half of a longer one. While the size is unknown, reports stay as they are. */
export function halfOfProgress<T extends OperationOptions>(options: T, half: 'first' | 'second'): T {
  const { onProgress } = options
  if (onProgress === undefined) return options
  const scaled = (progress: Progress) => {
    const { transferred, size } = progress
    if (size === 0) return onProgress(progress)
    const done = half === 'first' ? 0 : size
    onProgress({ ...progress, transferred: Math.floor((done + transferred) / 2) })
  }
  return { ...options, onProgress: scaled }
}
