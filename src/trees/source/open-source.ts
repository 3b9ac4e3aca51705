import type { SourceOptions } from '../tree-options.js'
import { readItems } from './read-items.js'
import { surveySource } from './survey-source.js'
import type { SourceItem, TreeReading, TreeSource } from './tree-source.js'

/** Open a tree of the host for reading. `parts` and `warnings` default to the top alone, and to none. */
export function openSource(
  reading: TreeReading,
  options: SourceOptions,
  known: Partial<Pick<TreeSource, 'parts' | 'warnings'>> = {},
): TreeSource {
  let seen: readonly string[] = []
  return {
    top: reading.top,
    parts: known.parts ?? [reading.top],
    get warnings() {
      return [...(known.warnings ?? []), ...seen]
    },
    async survey(wanted) {
      const { survey, warnings } = await surveySource(reading, options, wanted)
      seen = warnings
      return survey
    },
    items: (wanted) => readItems(reading, options, wanted),
  }
}

/** Read a tree. It looks at every name before the first item comes. */
export async function* readSource(source: TreeSource): AsyncGenerator<SourceItem> {
  await source.survey({ content: true })
  yield* source.items()
}
