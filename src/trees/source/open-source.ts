import type { SourceOptions } from '../tree-options.js'
import { readItems } from './read-items.js'
import { surveyTree } from './survey-tree.js'
import type { SourceItem, TreeReading, TreeSource } from './tree-source.js'

/** Open a tree of the host for reading. `parts` and `warnings` default to the top alone, and to none. */
export function openSource(
  reading: TreeReading,
  options: SourceOptions,
  known: Partial<Pick<TreeSource, 'parts' | 'warnings'>> = {},
): TreeSource {
  return {
    top: reading.top,
    parts: known.parts ?? [reading.top],
    warnings: known.warnings ?? [],
    survey: (wanted) => surveyTree(reading, options, wanted),
    items: (wanted) => readItems(reading, options, wanted),
  }
}

/** Read a tree. It looks at every name before the first item comes. */
export async function* readSource(source: TreeSource): AsyncGenerator<SourceItem> {
  await source.survey({ content: true })
  yield* source.items()
}
