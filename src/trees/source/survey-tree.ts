import { UmlcowError } from '../../errors.js'
import { treeHostOf } from '../host/tree-host.js'
import { LinkTable } from '../link-table.js'
import type { NameMarks } from '../name-marks.js'
import { createPace } from '../pace.js'
import { createProblems, type Problems } from '../problems.js'
import type { SourceOptions } from '../tree-options.js'
import { type FoundName, walkOpen } from '../walk/walk-open-directories.js'
import {
  entryOf,
  located,
  type NameFacts,
  nameIn,
  type SurveyOptions,
  type TreeReading,
  type TreeSurvey,
} from './tree-source.js'

const ownerMayRead = 0o400

/**
 * Look at every name of a tree before any content is read.
 *
 * @param marks   gets every name
 * @throws        UmlcowError with every problem of the tree, or every name that the target cannot represent
 */
export async function surveyTree(
  reading: TreeReading,
  options: SourceOptions,
  wanted: SurveyOptions,
  marks: NameMarks,
): Promise<TreeSurvey> {
  reading.refuseUnfit?.()
  const { reader } = treeHostOf(options)
  const problems = createProblems(reading.shown)
  const pace = createPace({ ...options, description: 'looking at the tree' })
  const links = new LinkTable()
  const describe = reading.describeFirst?.() ?? reading.describe
  const { uid } = reader.user()
  let [entries, size, isDamaged] = [0, 0, false]
  const onError = (path: Buffer, error: unknown) => {
    const own = located(reading, path, error)
    if (reading.damageCode === null || !(own instanceof UmlcowError)) throw own
    isDamaged = true
    problems.addText(own.message)
  }
  for (const found of walkOpen(reading.top, { ...reading, reader, onError })) {
    if (pace.step()) await pace.rest()
    entries++
    wanted.onName?.(found)
    const facts = attempt(
      () => describe(found),
      (error) => onError(found.path, error),
    )
    if (facts === null) continue
    marks.add(found.path, facts.type, facts.device, () => nameIn(reading, found.path))
    const isFirst =
      attempt(
        () => isFirstName(found, facts, links),
        (error) => onError(found.path, error),
      ) ?? true
    refuseUnfit(wanted, found, facts, problems)
    if (!isFirst) continue
    size += facts.size
    const isRead = wanted.content && facts.size > 0
    if (isRead && !isOwnToRead(found, uid) && !found.place.mayRead(found.name))
      onError(found.path, unreadable(reading, found))
  }
  if (isDamaged) problems.refuse(reading.damageCode!)
  problems.refuse('ENTRY_UNFIT')
  return { entries, size }
}

/** Whether the user owns a file with a permission to read it. This saves a call for nearly all files. */
function isOwnToRead({ facts }: FoundName, uid: number): boolean {
  return facts.uid === uid && (facts.mode & ownerMayRead) !== 0
}

function attempt<T>(run: () => T, onError: (error: unknown) => void): T | null {
  try {
    return run()
  } catch (error) {
    onError(error)
    return null
  }
}

/**
 * Whether this is the first name of a file.
 *
 * @throws UmlcowError HUMFS_DAMAGED when the names of one file differ in owner, mode, type or device
 */
function isFirstName({ facts: hostFacts }: FoundName, facts: NameFacts, links: LinkTable): boolean {
  const { type, mode, uid, gid, device } = facts
  const ownText = () => Buffer.from(JSON.stringify([type, mode, uid, gid, device]))
  const first = links.further(hostFacts, ownText)
  if (first !== null && !first.equals(ownText())) {
    throw new UmlcowError('HUMFS_DAMAGED', 'its metadata differs from that of another name of the same file')
  }
  return first === null
}

function refuseUnfit({ check }: SurveyOptions, found: FoundName, facts: NameFacts, problems: Problems): void {
  try {
    check?.(entryOf(found, facts, null), found.facts.type, found.facts)
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'ENTRY_UNFIT') throw error
    problems.addText(error.message)
  }
}

function unreadable(reading: TreeReading, { path }: FoundName): UmlcowError {
  return new UmlcowError('EACCES', `${nameIn(reading, path)}: no permission to read it`)
}
