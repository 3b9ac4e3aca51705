import { type OperationOptions, progressReporter } from '../../machine/operation-options.js'
import type { SourceItem, TreeSurvey } from '../source/tree-source.js'

/** Milliseconds between two reports. */
const reportTime = 25

/** Pass items on and report progress: the bytes of content, and one for each entry, so that small files count too. */
export async function* countItems(
  items: AsyncIterable<SourceItem>,
  { entries, size }: TreeSurvey,
  hasContent: boolean,
  options: OperationOptions,
): AsyncGenerator<SourceItem> {
  const total = entries + (hasContent ? size : 0)
  const report = progressReporter(options, total, 'exporting')
  let [done, last] = [0, Number.NEGATIVE_INFINITY]
  const advance = (count: number) => {
    done += count
    const now = performance.now()
    if (report === undefined || now - last < reportTime) return
    last = now
    report(Math.min(done, total))
  }
  async function* counted(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of content) {
      yield bytes
      advance(bytes.length)
    }
  }
  for await (const item of items) {
    yield item.content === null ? item : { ...item, content: counted(item.content) }
    advance(1)
  }
  report?.(total)
}
