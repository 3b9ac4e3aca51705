import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { inspectTree } from '../../trees/kinds/humfs/inspect-tree.js'
import type { Workspace } from '../../trees/kinds/humfs/workspace.js'
import { createPace } from '../../trees/pace.js'
import { sizeOfProgress } from '../count-names.js'
import { findOrphans, lacksEntry } from '../find-orphans.js'
import { entryProblems } from './entry-problems.js'
import { guestRenames } from './guest-renames.js'
import { noLinkedNames } from './linked-names.js'
import type { FoundProblem } from './tree-findings.js'

/** The result of one pass over the tree. */
export interface Look {
  readonly entries: number
  readonly problems: readonly FoundProblem[]
}

/** Find what is wrong with names and their metadata, and the repairs. */
export async function checkEntries(work: Workspace): Promise<Look> {
  const pace = createPace({ ...work.options, description: 'checking', size: await sizeOfProgress(work) })
  const problems: FoundProblem[] = []
  const linked = noLinkedNames()
  const renamed: Buffer[] = []
  let entries = 0
  const onError = (path: Buffer, error: unknown) => {
    if (!(error instanceof UmlcowError)) throw error
    problems.push({ code: 'cannot-be-read', path: printablePath(path), message: error.message, repair: null })
  }
  for (const one of inspectTree(work.reader, work.paths, onError)) {
    if (one.item.isLeaving) continue
    entries++
    const own = entryProblems(work, one, linked)
    if (own.some(({ code }) => code === 'guest-renamed-directory')) {
      // The names in it also have their entries under the old name.
      one.item.descend = false
      renamed.push(one.item.path)
    }
    problems.push(...own)
    if (pace.step()) await pace.rest()
  }
  pace.finish()
  const orphans = [...findOrphans(work, onError)]
  const from = orphans.filter(({ tree, path }) => tree === 'dir_metadata' && lacksEntry(work, path))
  const repairs = guestRenames(
    work,
    renamed,
    from.map(({ path }) => path),
  )
  for (const { tree, path } of orphans) {
    problems.push({
      code: 'orphan',
      path: `${tree}/${printablePath(path)}`,
      message: 'belongs to nothing in data',
      repair: null,
    })
  }
  return { entries, problems: problems.map((one) => ({ ...one, repair: one.repair ?? repairs.get(one.path) ?? null })) }
}
