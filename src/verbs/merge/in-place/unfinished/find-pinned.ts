import { printablePath } from '../../../../bytes/escape.js'
import { planCopyUpSize } from '../../../../engine/plan-copy-up.js'
import { errorCodes, hasCode, UmlcowError } from '../../../../errors.js'
import { executeLocally } from '../../../../machine/execute-locally.js'
import type { Finding } from '../../../../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../../../machine/host-files.js'
import { shellQuote } from '../../../../machine/shell-quote.js'
import { headerDigest } from '../../../../overlays/header-digest.js'
import { mayLeadTo } from '../../../../overlays/header-targets.js'
import { type Overlay, openOverlay } from '../../../../overlays/open-overlay.js'
import type { Sibling, SiblingSearch } from '../../../../overlays/siblings/sibling-search.js'
import {
  isPinned,
  isSameBoot,
  type MergeJournal,
  type PinnedSibling,
} from '../../../../overlays/unfinished/merge-journal.js'
import { forEachSibling, type InPlaceWork } from '../work.js'

export interface PinnedSiblings {
  /** Siblings that match the journal, even after a move. */
  readonly kept: readonly Sibling[]
  /** The others, as long as the merge has copied nothing: it would destroy the content that they show. */
  readonly findings: readonly Finding[]
  readonly warnings: readonly string[]
}

/** Find the siblings that the journal names, wherever they are now. Warn about siblings that it does not name. */
export async function findPinned(
  files: HostFiles,
  journal: MergeJournal,
  backing: FileFacts,
  search: SiblingSearch,
): Promise<PinnedSiblings> {
  const kept: Sibling[] = []
  const findings: Finding[] = []
  const warnings: string[] = []
  for (const pin of pinsOf(journal)) {
    const here = await lookAt(files, pin, journal, backing)
    const moved = search.siblings.find((one) => whatIsOther(one, pin, journal) === null)
    const found = here.sibling ?? moved
    if (found !== undefined) kept.push({ ...found, state: pin === journal.backup ? 'undo' : 'fresh' })
    else if (journal.phase === 'preparing') findings.push(lostSibling(pin, journal, here.change))
    else
      warnings.push(
        `${printablePath(pin.path)}: ${here.change}; the merge has left it as it is, and the kernel refuses it`,
      )
  }
  for (const one of search.siblings) {
    const isNamed = pinsOf(journal).some(({ path }) => path.equals(one.path))
    if (one.state === 'undo' || isNamed || kept.some((other) => isSameFile(other.facts, one.facts))) continue
    warnings.push(`${printablePath(one.path)}: was not among the siblings when the merge was begun; left as it is`)
  }
  return { kept, findings, warnings }
}

/**
 * Find siblings that lack the copied sectors: the merge copied nothing into them, or the user has put back an older
 * copy. Once the merge writes, the old sectors disappear from the backing file, so no copy is possible any more.
 */
export async function findNotCopiedUp(
  work: Pick<InPlaceWork, 'files' | 'overlay' | 'kept' | 'options'>,
): Promise<Sibling[]> {
  const { overlay, options } = work
  const found: Sibling[] = []
  await forEachSibling(work, 'read', async (opened, sibling) => {
    const result = { bytes: 0 }
    await executeLocally(planCopyUpSize({ overlay, sibling: opened }, result), { signal: options.signal })
    if (result.bytes > 0) found.push(sibling)
  })
  return found
}

/** Warn about a sibling that `findNotCopiedUp` found. */
export function notCopiedUpWarning({ path }: Sibling): string {
  return `${printablePath(path)}: lacks what the merge copied into it, as an older copy does; left as it is, and no longer shows its old content`
}

function pinsOf({ siblings, backup }: MergeJournal): PinnedSibling[] {
  return [...siblings, ...(backup === null ? [] : [backup])]
}

/** Report a sibling without any copied sector: finishing the merge destroys the content that it shows. */
function lostSibling(pin: PinnedSibling, journal: MergeJournal, change: string): Finding {
  return {
    code: 'SIBLING_CHANGED',
    message: `${printablePath(pin.path)}: ${change}, and the merge would take away what it shows over ${printablePath(journal.backing.path)}`,
    force: 'siblings',
    hint:
      'put it back as it was; or give the merge up, which has changed no byte so far: ' +
      `umlcow merge --abandon ${shellQuote(journal.overlay.path)}; --force=siblings goes on without it`,
  }
}

/** Describe how a sibling differs from the journal; null when it matches. */
function whatIsOther(
  { facts, header }: Pick<Overlay, 'facts' | 'header'>,
  pin: PinnedSibling,
  journal: MergeJournal,
): string | null {
  if (!isPinned(pin, facts, isSameBoot(journal))) return 'is another file than when the merge was begun'
  const fits = header.virtualSize === journal.backing.size && header.sectorSize === 512
  if (fits && headerDigest(header) === pin.headerDigest) return null
  return 'its header was changed since the merge was begun'
}

type Look =
  | { readonly sibling: Sibling; readonly change: '' }
  | { readonly sibling: undefined; readonly change: string }

async function lookAt(files: HostFiles, pin: PinnedSibling, journal: MergeJournal, backing: FileFacts): Promise<Look> {
  try {
    const overlay = await openOverlay(files, pin.path)
    await overlay.store.close()
    const change = whatIsOther(overlay, pin, journal)
    if (change !== null) return changed(change)
    // A path that led nowhere before, perhaps into a chroot jail, proves nothing: the other facts decide.
    if (pin.leads && !(await mayLeadTo(files, pin.path, overlay.header.backingPath, backing))) {
      return changed('its header leads to another file now')
    }
    return { sibling: { ...overlay, path: pin.path, state: 'fresh' }, change: '' }
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return changed('is gone')
    if (hasCode(error, 'NOT_COW', 'NOT_A_FILE')) return changed('is no overlay any more')
    if (!(error instanceof UmlcowError) || !(error.code in errorCodes) || error.code === 'INTERRUPTED') throw error
    return changed('its header was changed since the merge was begun')
  }
}

function changed(change: string): Look {
  return { sibling: undefined, change }
}
