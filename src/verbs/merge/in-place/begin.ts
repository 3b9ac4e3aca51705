import { type FileFacts, type HostFiles, mtimeNanoseconds } from '../../../machine/host-files.js'
import { thisProcess } from '../../../machine/processes/process-identity.js'
import { headerDigest } from '../../../overlays/header-digest.js'
import { mayLeadTo } from '../../../overlays/header-targets.js'
import { closeOnFailure, openInput } from '../../../overlays/open.js'
import type { Sibling } from '../../../overlays/siblings/sibling-search.js'
import {
  journalPathOf,
  type MergeJournal,
  type PinnedOverlay,
  type PinnedSibling,
} from '../../../overlays/unfinished/merge-journal.js'
import { chooseBackingMtimes } from './mtimes/backing-mtime.js'
import { type MergeMtimes, shownMtimes } from './mtimes/choose-mtimes.js'
import type { InPlaceOptions } from './options.js'
import type { SurveyedMerge } from './preflight/survey.js'
import { createUndo } from './undo-overlay.js'
import { type InPlaceWork, makeWork, markerPlace } from './work.js'

/** Open the backing file for writing, make the undo overlay, and build the state that the protocol needs. */
export async function beginWork(files: HostFiles, merge: SurveyedMerge, options: InPlaceOptions): Promise<InPlaceWork> {
  const { overlay, kept, search } = merge
  const path = await files.realPath(merge.backing.path)
  const backing = { ...(await openInput(files, path, 'readWrite')), path }
  return closeOnFailure(backing.store, async () => {
    const shown = shownMtimes(backing.facts)
    const headers = [overlay.header.mtime, ...[...search.siblings, ...search.others].map(({ header }) => header.mtime)]
    const mtimes = await chooseBackingMtimes(files, backing, { headers, shown }, options.signal)
    const journalPath = await journalPathOf(files, overlay.path)
    const markerPath = await markerPlace(files, overlay.path, backing)
    const siblings: PinnedSibling[] = []
    for (const one of kept) siblings.push(await pinSibling(files, one, backing.facts))
    // Make the undo overlay last: a later failure here would leave it behind.
    const undo = options.backup === undefined ? null : await createUndo(files, options.backup, backing, options)
    const pins = { siblings, backup: undo === null ? null : { ...pinOf(undo), leads: true } }
    const known = { files, options, overlay, backing, knownMtimes: [...headers, ...shown], journalPath, markerPath }
    const journal = newJournal({ ...merge, backing, mtimes }, pins, options)
    return makeWork({ ...known, kept: undo === null ? kept : [...kept, undo], journal, resumed: false }, [])
  })
}

interface JournalFacts extends Pick<SurveyedMerge, 'overlay' | 'leadsToBacking'>, Pick<InPlaceWork, 'backing'> {
  readonly mtimes: MergeMtimes
}

function newJournal(
  { overlay, backing, mtimes, leadsToBacking }: JournalFacts,
  pins: Pick<MergeJournal, 'siblings' | 'backup'>,
  options: InPlaceOptions,
): MergeJournal {
  const { device, inode, size, mtime, kind } = backing.facts
  return {
    process: thisProcess(),
    started: new Date().toISOString(),
    phase: 'preparing',
    overlay: pinOf(overlay),
    backing: {
      path: backing.path,
      device,
      inode,
      size,
      mtime,
      mtimeNanoseconds: mtimeNanoseconds(backing.facts),
      kind: kind === 'blockDevice' ? kind : 'file',
    },
    mtimes: { shown: mtime, invalid: mtimes.invalid, final: mtimes.final },
    siblings: pins.siblings,
    backup: pins.backup,
    afterwards: options.afterwards ?? 'keep',
    noSync: options.noSync === true,
    verify: options.verify === true,
    allowShort: options.allowShort === true,
    leadsToBacking,
  }
}

function pinOf({ path, facts, header }: Pick<Sibling, 'path' | 'facts' | 'header'>): PinnedOverlay {
  const { device, inode } = facts
  return { path, device, inode, headerDigest: headerDigest(header), mtime: header.mtime }
}

async function pinSibling(files: HostFiles, sibling: Sibling, backing: FileFacts): Promise<PinnedSibling> {
  return { ...pinOf(sibling), leads: await mayLeadTo(files, sibling.path, sibling.header.backingPath, backing) }
}
