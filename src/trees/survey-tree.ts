import { UmlcowError } from '../errors.js'
import { createPace } from '../humfs/pace.js'
import { createProblems, type Problems } from '../humfs/problems.js'
import {
  entryOf,
  linkKeyOf,
  located,
  type NameFacts,
  nameIn,
  readerOf,
  type SourceOptions,
  type SurveyOptions,
  type TreeReading,
  type TreeSurvey,
} from './tree-source.js'
import { type FoundName, walkNames } from './walk-open.js'

/**
 * Look at every name of a tree before anything of it is read.
 *
 * @throws UmlcowError with all that keeps it from being read, or the target from holding it
 */
export async function surveyTree(
  reading: TreeReading,
  options: SourceOptions,
  wanted: SurveyOptions = {},
): Promise<TreeSurvey> {
  reading.refuseUnfit?.()
  const problems = createProblems(reading.shown)
  const pace = createPace({ ...options, description: 'looking at the tree' })
  const first = new Map<string, string>()
  let [entries, size, isDamaged] = [0, 0, false]
  const onError = (path: Buffer, error: unknown) => {
    const own = located(reading, path, error)
    if (reading.damageCode === null || !(own instanceof UmlcowError)) throw own
    isDamaged = true
    problems.addText(own.message)
  }
  for (const found of walkNames(reading.top, { ...reading, reader: readerOf(options), onError })) {
    if (pace.step()) await pace.rest()
    entries++
    const facts = attempt(
      () => reading.describe(found),
      (error) => onError(found.path, error),
    )
    if (facts === null) continue
    const isFirst =
      attempt(
        () => isFirstName(found, facts, first),
        (error) => onError(found.path, error),
      ) ?? true
    refuseUnfit(wanted, found, facts, problems)
    if (!isFirst) continue
    size += facts.size
    const isRead = wanted.content && facts.size > 0
    if (isRead && !found.place.mayRead(found.name)) onError(found.path, unreadable(reading, found))
  }
  if (isDamaged) problems.refuse(reading.damageCode!)
  problems.refuse('ENTRY_UNFIT')
  return { entries, size }
}

function attempt<T>(run: () => T, onError: (error: unknown) => void): T | null {
  try {
    return run()
  } catch (error) {
    onError(error)
    return null
  }
}

/** The names of one file can have but one owner, mode and type. */
function isFirstName({ facts: hostFacts }: FoundName, facts: NameFacts, first: Map<string, string>): boolean {
  const key = linkKeyOf(hostFacts)
  if (key === null) return true
  const { type, mode, uid, gid, device } = facts
  const own = JSON.stringify([type, mode, uid, gid, device])
  const known = first.get(key)
  if (known === undefined) first.set(key, own)
  if ((known ?? own) !== own) {
    throw new UmlcowError('HUMFS_DAMAGED', 'has other metadata than another name of the same file')
  }
  return known === undefined
}

function refuseUnfit({ check }: SurveyOptions, found: FoundName, facts: NameFacts, problems: Problems): void {
  try {
    check?.(entryOf(found, facts, null), found)
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'ENTRY_UNFIT') throw error
    problems.addText(error.message)
  }
}

function unreadable(reading: TreeReading, { path }: FoundName): UmlcowError {
  return new UmlcowError('EACCES', `${nameIn(reading, path)}: we may not read it`)
}
