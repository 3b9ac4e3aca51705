import { type OperationOptions, progressReporter } from '../../machine/operation-options.js'

/** The progress of readings that go on at once. It never goes back. */
export interface PackProgress {
  /** Makes the listener of one reading of `length` bytes. */
  part(length: number): (position: number) => void
  /** All readings are done: a part of the last one may lie in no stretch. */
  end(): void
}

/** @param size  bytes of all members, for the reports @param work  bytes of all readings together */
export function packProgress(options: OperationOptions, size: number, work: number): PackProgress {
  const report = progressReporter(options, size, 'pack')
  let done = 0
  return {
    end: () => report?.(size),
    part(length) {
      let reached = 0
      return (position) => {
        const now = Math.min(length, position)
        if (now <= reached) return
        done += now - reached
        reached = now
        report?.(work === 0 ? size : Math.floor((size * done) / work))
      }
    },
  }
}
