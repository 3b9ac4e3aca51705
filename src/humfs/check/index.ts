import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { checkedOptions, flag, textPath } from '../../machine/option-rules.js'
import { readHumfsJournal, unfinished } from '../../trees/kinds/humfs/journal.js'
import { readSuperblock, refuseWithoutTrees } from '../../trees/kinds/humfs/read-superblock.js'
import { makeWorkDirectory, openWorkspace, type Workspace, whileLocked } from '../../trees/kinds/humfs/workspace.js'
import { removeTree } from '../../trees/remove-tree.js'
import { type TreeOptions, treeRules } from '../../trees/tree-options.js'
import { checkEntries, type Look } from './check-entries.js'
import { undoGuestRename } from './follow-guest-rename.js'
import { type FoundProblem, type HumfsFinding, humfsFindings } from './tree-findings.js'

export interface CheckHumfsOptions extends TreeOptions {
  /** Repair the findings whose right state is certain. */
  readonly repair?: boolean | undefined
  readonly dryRun?: boolean | undefined
}

export interface CheckHumfsResult {
  readonly directory: string
  readonly entries: number
  readonly findings: readonly HumfsFinding[]
}

/** A repair can reveal the next problem: a renamed directory inside a renamed directory. */
const mostPasses = 16

/**
 * Check a humfs tree by the rules of the kernels that mount them.
 *
 * @throws UmlcowError NOT_HUMFS; with `repair` HUMFS_UNFINISHED, IN_USE
 */
export async function checkHumfs(directory: string | URL, given: CheckHumfsOptions = {}): Promise<CheckHumfsResult> {
  const options = checkedOptions(given, { ...treeRules, repair: flag, dryRun: flag })
  const work = openWorkspace(textPath('directory', directory), options)
  const name = printablePath(work.paths.directory)
  if (!options.repair || options.dryRun) {
    const { entries, problems } = await look(work)
    return { directory: name, entries, findings: problems.map((one) => findingOf(one, false)) }
  }
  return await whileLocked(work, async () => {
    const journal = readHumfsJournal(work.reader, work.paths)
    if (journal !== null && journal.rename === null) {
      throw unfinished(
        work.paths,
        'a humfsify or its reverse was cut short',
        'run it again, or run "umlcow humfsify -r"',
      )
    }
    return { directory: name, ...(await repairAll(work)) }
  })
}

async function repairAll(work: Workspace): Promise<Pick<CheckHumfsResult, 'entries' | 'findings'>> {
  const fixed: HumfsFinding[] = []
  /** The host's errors for failed repairs, by code and path. */
  const failures = new Map<string, string>()
  // A killed run may have left it.
  removeTree(work, work.paths.work)
  for (let pass = 1; ; pass++) {
    const { entries, problems } = await look(work)
    const mendable = problems.filter((one) => one.repair !== null && !failures.has(keyOf(one)))
    if (mendable.length === 0 || pass === mostPasses) {
      const open = problems.map((one) => {
        const failure = failures.get(keyOf(one))
        return findingOf(failure === undefined ? one : { ...one, message: `${one.message}; ${failure}` }, false)
      })
      return { entries, findings: [...fixed, ...open] }
    }
    makeWorkDirectory(work)
    try {
      for (const one of mendable) {
        const failure = failureOf(one.repair!)
        if (failure === null) fixed.push(findingOf(one, true))
        else failures.set(keyOf(one), failure)
      }
    } finally {
      removeTree(work, work.paths.work)
    }
  }
}

function keyOf({ code, path }: FoundProblem): string {
  return `${code} ${path}`
}

/** Run a repair. A failure of the host must not stop the other repairs. @returns the message of the error, or null */
function failureOf(repair: () => void): string | null {
  try {
    repair()
    return null
  } catch (error) {
    if (!(error instanceof UmlcowError)) throw error
    return error.message
  }
}

function findingOf({ code, path, message, repair }: FoundProblem, fixed: boolean): HumfsFinding {
  return { code, severity: humfsFindings[code], path, message, repairable: repair !== null, fixed }
}

async function look(work: Workspace): Promise<Look> {
  const whole = checkWhole(work)
  if (whole.some(({ code }) => code === 'unfinished-run' || code === 'no-metadata-tree')) {
    return { entries: 0, problems: whole }
  }
  const { entries, problems } = await checkEntries(work)
  return { entries, problems: [...whole, ...problems] }
}

function checkWhole(work: Workspace): FoundProblem[] {
  const problems: FoundProblem[] = []
  const found = (code: FoundProblem['code'], path: Buffer, message: string, repair: (() => void) | null = null) => {
    problems.push({ code, path: printablePath(path), message, repair })
  }
  const { paths } = work
  try {
    const journal = readHumfsJournal(work.reader, paths)
    if (journal?.rename) {
      const { rename } = journal
      found('unfinished-run', paths.journal, 'a repair was cut short', () => undoGuestRename(work, rename))
    } else if (journal !== null) {
      found('unfinished-run', paths.journal, 'a humfsify or its reverse was cut short: run it again')
    }
  } catch (error) {
    if (!hasCode(error, 'JOURNAL_DAMAGED', 'EACCES')) throw error
    found('unfinished-run', paths.journal, (error as UmlcowError).message)
  }
  if (problems.length > 0) return problems
  try {
    for (const warning of readSuperblock(work).warnings) found('odd-superblock', paths.superblock, warning)
  } catch (error) {
    if (!hasCode(error, 'HUMFS_SUPERBLOCK', 'HUMFS_VERSION', 'EACCES')) throw error
    found('bad-superblock', paths.superblock, (error as UmlcowError).message)
  }
  try {
    refuseWithoutTrees(work)
  } catch (error) {
    if (!hasCode(error, 'HUMFS_DAMAGED')) throw error
    found('no-metadata-tree', paths.directory, (error as UmlcowError).message)
  }
  return problems
}
