import { printablePath } from '../../bytes/escape.js'
import { hasCode, throwIfAborted, UmlcowError } from '../../errors.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import {
  type HumfsifyTerms,
  journalStart,
  readHumfsJournal,
  refuseRename,
  unfinished,
} from '../../trees/kinds/humfs/journal.js'
import { asideSuffix } from '../../trees/kinds/humfs/paths.js'
import {
  advanceJournal,
  beginJournal,
  endJournal,
  makeWorkDirectory,
  openWorkspace,
  syncTree,
  type Workspace,
  whileLocked,
} from '../../trees/kinds/humfs/workspace.js'
import { refuseMounts } from '../refuse-mounts.js'
import { buildShadow } from './build-shadow.js'
import { changeData } from './change-data.js'
import { humfsifyLosses } from './lost-attributes.js'
import { type HumfsifyOptions, type HumfsifyResult, humfsifyRules, termsOf } from './options.js'
import { placeShadow, writeSuperblock } from './place-shadow.js'
import { existingMetadata, type PreflightTerms, preflight } from './preflight.js'

export type { HumfsifyOptions, HumfsifyResult } from './options.js'

/**
 * Make a humfs tree of a directory with `data/` in it: record owners, modes and devices as metadata, and give the files
 * to the user. It checks the whole tree before it changes anything. The next run finishes one that was cut short, or
 * `restoreHumfs` undoes it.
 *
 * @throws UmlcowError NOT_HUMFS, HUMFS_EXISTS, HUMFS_UNFIT, HUMFS_UNFINISHED, IN_USE, UNKNOWN_USER, UNKNOWN_GROUP
 */
export async function humfsify(directory: string | URL, given: HumfsifyOptions): Promise<HumfsifyResult> {
  const top = textPath('directory', directory)
  const options = checkedOptions(given, humfsifyRules)
  const wanted = await termsOf(options)
  const work = openWorkspace(top, options)
  return await whileLocked(work, async () => {
    const journal = readHumfsJournal(work.reader, work.paths)
    refuseRename(work.paths, journal)
    if (journal !== null && journal.phase !== 'building' && journal.phase !== 'changing') {
      throw unfinished(work.paths, 'its metadata is being put back', 'run "umlcow humfsify -r" to finish that first')
    }
    if (journal?.phase === 'changing') return await resume(work, wanted, journal.terms!, options)
    return await begin(work, wanted, options)
  })
}

async function begin(work: Workspace, wanted: PreflightTerms, options: HumfsifyOptions): Promise<HumfsifyResult> {
  const aside = existingMetadata(work, options.force?.includes('exists') === true)
  const { result: seen, warnings } = await humfsifyLosses(work, wanted, () =>
    preflight(work, wanted, options.force?.includes('links') === true),
  )
  const { entries, used } = seen
  const terms: HumfsifyTerms = { ...wanted, used, aside }
  const result = { ...resultOf(work, terms, options), entries, warnings: [...seen.warnings, ...warnings] }
  if (options.dryRun) return result
  throwIfAborted(options.signal)
  endJournal(work) // A killed run may have left unfinished shadow trees.
  try {
    beginJournal(work, journalStart({ verb: 'humfsify', ...terms }))
    await buildShadow(work, terms, entries)
  } catch (error) {
    endJournal(work)
    throw error
  }
  return { ...result, warnings: [...result.warnings, ...(await finish(work, terms, entries))] }
}

async function resume(
  work: Workspace,
  wanted: PreflightTerms,
  terms: HumfsifyTerms,
  options: HumfsifyOptions,
): Promise<HumfsifyResult> {
  const isSame = (key: 'total' | 'perlCompat' | 'renameMetadata') => wanted[key] === terms[key]
  const sameOwner = wanted.owner.uid === terms.owner.uid && wanted.owner.gid === terms.owner.gid
  if (!sameOwner || !isSame('total') || !isSame('perlCompat') || !isSame('renameMetadata')) {
    throw unfinished(work.paths, 'a humfsify with other arguments was cut short', resumeHint(terms))
  }
  refuseMounts(work)
  const { warnings } = await humfsifyLosses(work, terms, async () => {})
  const result = { ...resultOf(work, terms, options), entries: null, resumed: true, warnings }
  if (options.dryRun) return result
  return { ...result, warnings: [...warnings, ...(await finish(work, terms, 0))] }
}

function resumeHint({ owner, total, perlCompat, renameMetadata }: HumfsifyTerms): string {
  const more = `${perlCompat ? ' --perl-compat' : ''}${renameMetadata === null ? '' : ` --rename-metadata ${renameMetadata}`}`
  return `finish it: umlcow humfsify ${owner.uid} ${owner.gid} ${total}${more}; or undo it: umlcow humfsify -r`
}

function resultOf(work: Workspace, terms: HumfsifyTerms, { dryRun }: HumfsifyOptions): Omit<HumfsifyResult, 'entries'> {
  return {
    directory: printablePath(work.paths.directory),
    used: terms.used,
    total: terms.total,
    ...terms.owner,
    resumed: false,
    dryRun: dryRun === true,
    aside: terms.aside.map((name) => `${name}${asideSuffix}`),
    warnings: [],
  }
}

/** Do all steps after the shadow trees are whole. The next run repeats them from the start if this one is cut short. */
async function finish(work: Workspace, terms: HumfsifyTerms, entries: number): Promise<string[]> {
  const { reader, paths } = work
  try {
    const journal = readHumfsJournal(reader, paths)
    if (journal?.phase !== 'changing') advanceJournal(work, 'changing')
    makeWorkDirectory(work)
    placeShadow(work, terms)
    const warnings = await changeData(work, terms, entries)
    writeSuperblock(work, terms)
    await syncTree(work, paths.data)
    endJournal(work)
    return warnings
  } catch (error) {
    throw cutShort(error, terms)
  }
}

/** Add to an error how to go on. */
function cutShort(error: unknown, terms: HumfsifyTerms): unknown {
  if (!(error instanceof Error)) return error
  const isStop = hasCode(error, 'INTERRUPTED')
  if (!isStop && !(error instanceof UmlcowError)) return error
  const message = isStop ? 'stopped in the middle; everything is recorded and nothing is lost' : error.message
  const code = (error as UmlcowError).code
  const details = { ...(error as UmlcowError).details, unfinished: true }
  return new UmlcowError(code, message, { details, hint: resumeHint(terms), cause: error })
}
