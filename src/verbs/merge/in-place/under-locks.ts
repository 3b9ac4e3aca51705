import { UmlcowError } from '../../../errors.js'
import { refuseUnlessForced } from '../../../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../../machine/host-files.js'
import { lockFiles } from '../../../machine/processes/lock-files.js'
import type { HostLock } from '../../../machine/processes/process-lock.js'
import { inspectBacking } from '../../../overlays/inspect-backing.js'
import { type Overlay, openOverlay } from '../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../overlays/resolve-backing.js'
import { refuseTruncated } from '../check-inputs.js'
import { closeAndUnlock } from './close-and-unlock.js'
import type { InPlaceOptions } from './options.js'
import { type SurveyedMerge, survey } from './preflight/survey.js'

/** An overlay and its backing file before the locks: they show what to lock. */
export interface FirstLook {
  readonly path: string
  readonly facts: FileFacts
  readonly located: LocatedFile | null
}

/** Find the overlay and its backing file, without locks. */
export async function lookFirst(files: HostFiles, path: string, options: InPlaceOptions): Promise<FirstLook> {
  const overlay = await openOverlay(files, path)
  try {
    const { located } = await inspectBacking(files, overlay, options)
    return { path, facts: overlay.facts, located }
  } finally {
    await overlay.store.close()
  }
}

/**
 * Lock the files, survey them, and run the merge if no finding is against it. The locks keep every other umlcow from
 * changing the files. Lock the backing file first: when two merges need it, one fails before it holds any lock that the
 * other needs.
 *
 * @throws UmlcowError with all findings
 */
export async function underLocks<T>(
  files: HostFiles,
  first: FirstLook,
  options: InPlaceOptions,
  run: (merge: SurveyedMerge) => Promise<T>,
): Promise<T> {
  const { path, located } = first
  const locks: HostLock[] = []
  let overlay: Overlay | null = null
  try {
    // Lock an overlay that is its own backing file only once: the survey refuses it.
    if (located !== null && !isSameFile(located.facts, first.facts)) locks.push(await lockFiles(files, [located]))
    locks.push(await lockFiles(files, [first]))
    overlay = await openOverlay(files, path, options.afterwards === 'leave' ? 'read' : 'readWrite')
    const { findings, merge } = await survey(files, overlay, options)
    refuseUnlessForced(findings, options.force)
    if (merge === null) throw new Error('unreachable: a missing backing file is a finding')
    // Another umlcow may have changed the files before we had the locks.
    const isSame = located !== null && isSameFile(located.facts, merge.backing.facts)
    if (!isSame || !isSameFile(overlay.facts, first.facts)) {
      throw new UmlcowError('INPUT_CHANGED', `${overlay.store.name}: was changed while it was looked at; try again`)
    }
    if (!options.allowShort) await refuseTruncated(overlay, options.signal)
    return await run(merge)
  } finally {
    await closeAndUnlock(overlay === null ? [] : [overlay.store], locks)
  }
}
