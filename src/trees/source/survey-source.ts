import { asBuffer } from '../../machine/path-bytes.js'
import { copyAdvice } from '../attributes/attribute-losses.js'
import { searchLosses } from '../attributes/search-losses.js'
import { treeHostOf } from '../host/tree-host.js'
import { NameMarks } from '../name-marks.js'
import type { SourceOptions } from '../tree-options.js'
import { surveyTree } from './survey-tree.js'
import { nameIn, type SurveyOptions, type TreeReading, type TreeSurvey } from './tree-source.js'

const slash = 0x2f

/** What a survey found out. */
export interface SurveyedSource {
  readonly survey: TreeSurvey
  readonly warnings: readonly string[]
}

/**
 * Look at every name of a tree, and at all extended attributes if the caller wants that. The host's program looks at
 * them meanwhile.
 *
 * @throws UmlcowError with every problem of the tree, or every name that the target cannot represent
 */
export async function surveySource(
  reading: TreeReading,
  options: SourceOptions,
  wanted: SurveyOptions = {},
): Promise<SurveyedSource> {
  await reading.prepare?.()
  const marks = new NameMarks()
  const meanwhile = () => surveyTree(reading, options, wanted, marks)
  const { result: survey, warnings } = await (wanted.attributes
    ? withLosses(reading, options, meanwhile)
    : meanwhile().then((result) => ({ result, warnings: [] })))
  const odd = wanted.looksForMarks ? [] : marks.list(reading.shown)
  return { survey, warnings: [...(reading.notes?.() ?? []), ...odd, ...warnings] }
}

function withLosses<T>(reading: TreeReading, options: SourceOptions, meanwhile: () => Promise<T>) {
  return searchLosses(treeHostOf(options).reader, reading.top, {
    signal: options.signal,
    meanwhile,
    nameOf: (path) => nameIn(reading, asBuffer(path)),
    advice: copyAdvice,
    counts: (path, { name }) => !reading.takesAttribute?.(name) && !isSkipped(reading, path),
  })
}

/** Whether the walk of a tree skips a path, or a directory above it. */
function isSkipped({ skips }: TreeReading, path: Buffer): boolean {
  if (skips === undefined || path.length === 0) return false
  for (let start = 0; start <= path.length; ) {
    const next = path.indexOf(slash, start)
    const end = next < 0 ? path.length : next
    if (skips(path.subarray(0, Math.max(0, start - 1)), path.subarray(start, end))) return true
    start = end + 1
  }
  return false
}
