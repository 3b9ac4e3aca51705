import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { inspectTree } from '../../trees/kinds/humfs/inspect-tree.js'
import {
  type HumfsifyTerms,
  type HumfsJournal,
  journalStart,
  readHumfsJournal,
  refuseRename,
} from '../../trees/kinds/humfs/journal.js'
import { readSuperblock, refuseWithoutTrees } from '../../trees/kinds/humfs/read-superblock.js'
import {
  advanceJournal,
  beginJournal,
  endJournal,
  type HumfsForceWord,
  humfsWriterRules,
  makeWorkDirectory,
  openWorkspace,
  syncTree,
  type Workspace,
  whileLocked,
} from '../../trees/kinds/humfs/workspace.js'
import { createPace } from '../../trees/pace.js'
import { createProblems, type Problems } from '../../trees/problems.js'
import { removeTree } from '../../trees/remove-tree.js'
import type { TreeOptions } from '../../trees/tree-options.js'
import { shadowsInWork } from '../humfsify/build-shadow.js'
import { renameDirectories } from '../humfsify/change-data.js'
import { placeShadow } from '../humfsify/place-shadow.js'
import { restoreLosses } from './lost-attributes.js'
import { type RestoreView, restorePreflight } from './preflight.js'
import { moveMetadata, sweep } from './remove-metadata.js'
import { restoreItem } from './restore-item.js'

export interface RestoreHumfsOptions extends TreeOptions {
  /** `damage`: restore every name that can be restored; the metadata stays. */
  readonly force?: readonly HumfsForceWord[] | undefined
  readonly dryRun?: boolean | undefined
}

export interface RestoreHumfsResult {
  readonly directory: string
  readonly entries: number
  /** This run undid an unfinished humfsify. */
  readonly undone: boolean
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

/**
 * Undo humfsify: give every name in data the owner, mode and type from its metadata, then remove the metadata. The
 * metadata stays if any name could not be restored. The next run finishes one that was cut short.
 *
 * @throws UmlcowError NOT_HUMFS, HUMFS_SUPERBLOCK, HUMFS_VERSION, HUMFS_DAMAGED with every problem, HUMFS_INCOMPLETE,
 *         IN_USE
 */
export async function restoreHumfs(
  directory: string | URL,
  given: RestoreHumfsOptions = {},
): Promise<RestoreHumfsResult> {
  const options = checkedOptions(given, humfsWriterRules('damage'))
  const work = openWorkspace(textPath('directory', directory), options)
  return await whileLocked(work, async () => {
    const journal = readHumfsJournal(work.reader, work.paths)
    refuseRename(work.paths, journal)
    const terms = journal?.terms ?? null
    const result = {
      directory: printablePath(work.paths.directory),
      entries: 0,
      undone: terms !== null,
      dryRun: options.dryRun === true,
      warnings: warningsOf(terms),
    }
    const { phase = null } = journal ?? {}
    if (phase === 'building' || phase === 'removing' || phase === 'sweeping') {
      if (!options.dryRun) end(work, phase, terms)
      return result
    }
    if (terms !== null) {
      if (options.dryRun) return { ...result, warnings: [...result.warnings, ...(await undoLosses(work))] }
      placeShadow(work, terms)
      renameDirectories(work, terms)
    } else if (phase === null && !options.dryRun) {
      // A run that was killed before it changed anything may have left it.
      removeTree(work, work.paths.work)
    }
    const warnings = terms === null ? [...readSuperblock(work).warnings] : []
    refuseWithoutTrees(work)
    let view: RestoreView
    try {
      const seen = await restoreLosses(work, () => restorePreflight(work, options.force?.includes('damage') === true))
      view = seen.result
      warnings.push(...seen.warnings)
    } catch (error) {
      throw phase !== null && hasCode(error, 'INTERRUPTED') ? cutShort(error) : error
    }
    if (!options.dryRun) {
      if (phase === null) beginJournal(work, journalStart({ verb: 'restore' }))
      await restoreAll(work, journal, view)
    }
    return { ...result, entries: view.entries, warnings: [...result.warnings, ...warnings] }
  })
}

/** Look for what a run that undoes an unfinished humfsify would remove. The metadata may not be in its place yet. */
async function undoLosses(work: Workspace): Promise<readonly string[]> {
  const shadows = shadowsInWork(work)
  const where = (tree: 'fileMetadata' | 'dirMetadata') =>
    work.reader.lstatOrNull(shadows[tree]) === null ? work.paths[tree] : shadows[tree]
  const paths = { ...work.paths, fileMetadata: where('fileMetadata'), dirMetadata: where('dirMetadata') }
  return (await restoreLosses({ ...work, paths }, async () => {})).warnings
}

/** Do the steps that are left after data is restored. */
function end(work: Workspace, phase: 'building' | 'removing' | 'sweeping', terms: HumfsifyTerms | null): void {
  if (phase === 'building') {
    endJournal(work)
    return
  }
  if (phase === 'removing') moveMetadata(work)
  sweep(work, terms)
}

function warningsOf(terms: HumfsifyTerms | null): string[] {
  const warnings: string[] = []
  if (terms !== null && terms.renameMetadata !== null) {
    warnings.push(`directories that were renamed to "metadata${terms.renameMetadata}" keep that name`)
  }
  return warnings
}

async function restoreAll(work: Workspace, journal: HumfsJournal | null, view: RestoreView): Promise<void> {
  const terms = journal?.terms ?? null
  const problems = createProblems('data')
  makeWorkDirectory(work)
  try {
    await restoreEntries(work, journal?.modes ?? new Map(), view, problems)
  } catch (error) {
    throw cutShort(error)
  }
  if (problems.count + view.problems.count > 0) {
    // The metadata is whole, so the next run can start again.
    if (terms === null) endJournal(work)
    for (const those of [problems, view.problems]) those.refuse('HUMFS_INCOMPLETE', 'the metadata is kept')
  }
  try {
    await syncTree(work, work.paths.data)
    advanceJournal(work, 'removing')
    moveMetadata(work)
    sweep(work, terms)
  } catch (error) {
    throw cutShort(error)
  }
}

/** Restore all names. A directory comes after its content, because its own mode may deny access. */
async function restoreEntries(
  work: Workspace,
  modes: HumfsJournal['modes'],
  { entries, known }: RestoreView,
  problems: Problems,
): Promise<void> {
  const pace = createPace({ ...work.options, description: 'restoring', size: entries })
  const onError = (path: Buffer, error: unknown) => problems.addError(path, error)
  for (const one of inspectTree(work.reader, work.paths, onError, known)) {
    const { path, facts, isLeaving } = one.item
    if (facts.type === 'directory' && !isLeaving) continue
    try {
      const mode = modes.size === 0 ? undefined : modes.get(path.toString('latin1'))
      const entry = one.entry === null || mode === undefined ? one.entry : { ...one.entry, mode }
      await restoreItem(work, { ...one, entry })
    } catch (error) {
      problems.addError(path, error)
    }
    if (pace.step()) await pace.rest()
  }
  pace.finish()
}

function cutShort(error: unknown): unknown {
  if (!(error instanceof UmlcowError)) return error
  const isStop = hasCode(error, 'INTERRUPTED')
  const message = isStop ? 'stopped in the middle; the metadata is whole and nothing is lost' : error.message
  const details = { ...error.details, unfinished: true }
  return new UmlcowError(error.code, message, { details, hint: 'run "umlcow humfsify -r" to finish it', cause: error })
}
