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
// The merge is safe because O is a redo log. As long as its bitmap and data stay, O over B reads the same at every
// instant. A redo log does not protect siblings, an overlay made meanwhile, or a guest that uses bare B. For those the
// mtime of B must never lie: the kernel opens an overlay only when its header carries the mtime and size of B.
//
// Before the first step, the guard has found no reason to refuse the merge, and locks are held on O and B. A step locks
// each S while it works on it.
// Each step can run again after a part of it or all of it ran: a resume runs all steps again.

export interface ProtocolStep {
  readonly name: string
  /** What is true after the step and stays true after a crash. */
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
    invariant: 'every run that opens O or B finds the merge, and can finish it',
    run: writeJournal,
  },
  {
    name: 'invalidateBacking',
    invariant: 'B has an mtime that no header carries: the kernel keeps every overlay out from here on',
    run: invalidateBacking,
  },
  {
    name: 'lookAgain',
    invariant: 'no other program opened the files between the guard and the step before; from here on none can',
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
  { name: 'verifyWritten', invariant: 'with --verify: the sectors in B read back as those of O', run: verifyWritten },
  {
    name: 'setFinalMtime',
    invariant: 'B has an mtime that no header carries, and that no write to B gave or will give it',
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
    invariant: 'O carries the mtime of B: the merge has happened. From here on a resume only removes the journal',
    run: commitOverlay,
  },
  {
    name: 'removeJournal',
    invariant: 'nothing is left over: the marker goes first, then the journal',
    run: removeJournalAndMarker,
  },
]

/** Run the steps in order. It stops before the next step when the user interrupts it. */
export async function runProtocol(work: InPlaceWork, steps: readonly ProtocolStep[] = protocol): Promise<void> {
  for (const step of steps) {
    throwIfAborted(work.options.signal)
    await step.run(work)
  }
}
