import { throwIfAborted } from '../../../errors.js'
import {
  commitOverlay,
  copyUpIntoSiblings,
  declareWriting,
  emptyIfReset,
  invalidateBacking,
  lookAgain,
  refreshSiblings,
  removeJournalAndMarker,
  setFinalMtime,
  syncRedoLogs,
  verifyWritten,
  writeJournal,
  writeSectors,
} from './steps.js'
import type { InPlaceWork } from './work.js'

// The order of an in-place merge. B is the backing file, O the overlay, S its siblings.
//
// Why it can be safe at all: O is a redo log. While its bitmap and data stand, O over B reads the same at every instant.
// Nothing of the kind protects siblings, an overlay made meanwhile, or a guest that uses bare B: for those the mtime of B
// must never lie, as the kernel opens an overlay only when its header carries the mtime and size of B.
//
// Before it, the guard has found nothing that speaks against it, and locks are held on O, B and every S.
// Each step may be done again after it was done in part or in whole; that is what a resume does.

export interface ProtocolStep {
  readonly name: string
  /** What holds once it is done, and a crash can take no more. */
  readonly invariant: string
  readonly run: (work: InPlaceWork) => Promise<unknown>
}

export const protocol: readonly ProtocolStep[] = [
  {
    name: 'syncRedoLogs',
    invariant: 'what guests wrote to O and S is on the disk, not in the page cache alone',
    run: syncRedoLogs,
  },
  {
    name: 'writeJournal',
    invariant: 'whoever comes across O or B is told of the merge, and can finish it',
    run: writeJournal,
  },
  {
    name: 'invalidateBacking',
    invariant: 'B has an mtime that no header carries: the kernel keeps every overlay out from here on',
    run: invalidateBacking,
  },
  {
    name: 'lookAgain',
    invariant: 'nobody has slipped in between the guard and the step before; nobody can any more',
    run: lookAgain,
  },
  {
    name: 'copyUpIntoSiblings',
    invariant: 'S over B reads the same, whatever the merge writes to B: data first, then bits',
    run: copyUpIntoSiblings,
  },
  {
    name: 'declareWriting',
    invariant: 'while the journal says "preparing", B has its old content; from here on it may have any mixture',
    run: declareWriting,
  },
  { name: 'writeSectors', invariant: 'B holds the sectors of O, and they are on the disk', run: writeSectors },
  { name: 'verifyWritten', invariant: 'with --verify: they have been read back', run: verifyWritten },
  {
    name: 'setFinalMtime',
    invariant: 'B has an mtime that no header carries and that no write to B ever gave it or will',
    run: setFinalMtime,
  },
  {
    name: 'refreshSiblings',
    invariant:
      'S, copied up, carries the mtime of B. Never one that disagreed before: that is the "touch" that corrupts',
    run: refreshSiblings,
  },
  {
    name: 'resetOverlay',
    invariant: 'with --reset: O has no sectors. It still carries its old mtime, so no guest can write what this wipes',
    run: emptyIfReset,
  },
  {
    name: 'commitOverlay',
    invariant: 'O carries the mtime of B: the merge has happened. A resume only removes the journal from here on',
    run: commitOverlay,
  },
  {
    name: 'removeJournal',
    invariant: 'nothing is left over: the marker goes first, then the journal',
    run: removeJournalAndMarker,
  },
]

export async function runProtocol(work: InPlaceWork, steps: readonly ProtocolStep[] = protocol): Promise<void> {
  for (const step of steps) {
    throwIfAborted(work.options.signal)
    await step.run(work)
  }
}
