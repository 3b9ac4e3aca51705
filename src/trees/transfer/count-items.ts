import { type OperationOptions, progressReporter } from '../../machine/operation-options.js'
import type { ItemsOptions, TreeSurvey } from '../source/tree-source.js'

/** Milliseconds between two reports. */
const reportTime = 25

/** Reports the progress of a source that is read. */
export interface ItemCounter extends ItemsOptions {
  /** Reports that everything is done. */
  finish(): void
}

/** Report progress: the bytes of content, and one for each entry, so that small files count too. */
export function itemCounter(
  { entries, size }: TreeSurvey,
  hasContent: boolean,
  options: OperationOptions,
): ItemCounter {
  const total = entries + (hasContent ? size : 0)
  const report = progressReporter(options, total, 'exporting')
  if (report === undefined) return { finish: () => {} }
  let [done, last] = [0, Number.NEGATIVE_INFINITY]
  return {
    onAdvance(count) {
      done += count
      const now = performance.now()
      if (now - last < reportTime) return
      last = now
      report(Math.min(done, total))
    },
    finish: () => report(total),
  }
}
