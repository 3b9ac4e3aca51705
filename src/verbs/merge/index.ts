import { hasCode, UmlcowError } from '../../errors.js'
import { newImageForceWords } from '../../machine/findings.js'
import { type HostFiles, isSameFile, localHostFiles } from '../../machine/host-files.js'
import { checkedOptions, forceOf, type Rules, textPath } from '../../machine/option-rules.js'
import { type OutputTarget, withOutput } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { targetFacts } from '../../overlays/guard-target.js'
import { type BackingOptions, inspectBacking } from '../../overlays/inspect-backing.js'
import { lookInto } from '../../overlays/open.js'
import { type Overlay, openOverlay } from '../../overlays/open-overlay.js'
import { mergeOver } from './in-place/merge-in-place.js'
import { type InPlaceOptions, type InPlaceResult, inPlaceRules } from './in-place/options.js'
import type { FirstLook } from './in-place/under-locks.js'
import { mergeInspected, type NewImageResult } from './new-image/merge-new.js'
import { mergeQcow2 } from './new-image/merge-qcow2.js'
import { type NewImageOptions, newImageRules } from './options.js'

/** Where the merged image goes. */
export type MergeKind = 'newFile' | 'inPlace'

/** The options of both kinds of merge. The target decides the kind, and so which options the merge accepts. */
export type MergeOptions = NewImageOptions & InPlaceOptions

/** The result of either kind of merge; `inPlace` says which. */
export type MergeResult = NewImageResult | InPlaceResult

const rulesOf: Readonly<Record<MergeKind, Rules>> = { newFile: newImageRules, inPlace: inPlaceRules }

/** Options that only one kind of merge accepts. */
const onlyFor: Readonly<Record<MergeKind, readonly (keyof MergeOptions)[]>> = {
  newFile: ['sparse', 'copier'],
  inPlace: ['afterwards', 'keepSiblings', 'siblingsIn', 'backup'],
}

/**
 * Merge an overlay and its backing file. Afterwards `target` holds the merged image.
 *
 * When the target is the overlay's own backing file, by any name, the merge runs in place with all guards, as
 * `mergeInPlace` does. Any other target is a new file or a stream; the overlay and the backing file then do not change.
 *
 * A qcow2 image is merged with all files below it, and into a new file or a stream only.
 *
 * umlcow ends a stream that got the whole image, and destroys one that got only a part of it. If the merge refuses, or
 * with `dryRun`, the stream stays as it is.
 *
 * @throws UmlcowError SAME_FILE, TARGET_…, BACKING_…, IN_USE, TRUNCATED_OVERLAY, QCOW2_DAMAGED, QCOW2_LEAKS, INPUT_CHANGED, INTERRUPTED,
 *         COPIER_UNAVAILABLE, VERIFY_FAILED, and what `parseCowHeader` and the host throw. A failed merge leaves no new
 *         file, not even a part of one. A merge in place throws what `mergeInPlace` throws. USAGE for an option that
 *         this kind of merge does not accept.
 */
export async function merge(
  overlayPath: string | URL,
  target: OutputTarget | URL | OutputStream,
  options: MergeOptions = {},
): Promise<MergeResult> {
  const overlay = textPath('overlayPath', overlayPath)
  const checked = checkedOptions(options, {
    ...newImageRules,
    ...inPlaceRules,
    force: forceOf(...newImageForceWords, 'siblings', 'room'),
  })
  return withOutput(target, { what: 'an image', signal: checked.signal }, async (place) => {
    if (typeof place !== 'string' && checked.verify) {
      throw new UmlcowError('USAGE', 'verify: the target is a stream, and umlcow cannot read it back')
    }
    return mergeDecided(overlay, place, checked, (kind) => optionsFor(kind, checked))
  })
}

/** @returns null for a qcow2 image */
async function openUnlessQcow2(files: HostFiles, path: string): Promise<Overlay | null> {
  try {
    return await openOverlay(files, path)
  } catch (error) {
    if (hasCode(error, 'NOT_COW') && (await lookInto(files, path, ({ format }) => format === 'qcow2'))) return null
    throw error
  }
}

/**
 * Check the options for one kind of merge.
 *
 * @throws UmlcowError USAGE, RangeError for a word of `force` that this kind of merge does not know
 */
function optionsFor(kind: MergeKind, options: MergeOptions): MergeOptions {
  const others = onlyFor[kind === 'newFile' ? 'inPlace' : 'newFile']
  const name = others.find((one) => options[one] !== undefined)
  if (name === undefined) return checkedOptions(options, rulesOf[kind])
  const why = kind === 'newFile' ? 'the target is not the backing file' : 'the target is the backing file'
  throw new UmlcowError('USAGE', `${name}: ${why}, and such a merge does not take it`)
}

/**
 * Decide the kind of merge, then run it.
 *
 * @param look      where to find the backing file
 * @param optionsOf  returns the options of a kind; it throws when the user did not ask for that kind
 */
export function mergeDecided(
  overlayPath: string,
  target: OutputTarget,
  look: BackingOptions & { readonly files?: HostFiles | undefined },
  optionsOf: (kind: MergeKind) => MergeOptions,
): Promise<MergeResult> {
  return withUnseenTold<MergeResult>(look.files ?? localHostFiles, async (files) => {
    const facts = typeof target === 'string' ? await targetFacts(files, target) : null
    // A missing target means a new file: refuse wrong options before opening any file.
    const early = facts === null ? optionsOf('newFile') : null
    let inPlace: { first: FirstLook; options: MergeOptions }
    const overlay = await openUnlessQcow2(files, overlayPath)
    if (overlay === null) return mergeQcow2(files, overlayPath, target, early ?? optionsOf('newFile'))
    try {
      const inspection = await inspectBacking(files, overlay, look)
      const { located } = inspection
      const isBacking = facts !== null && located !== null && isSameFile(facts, located.facts)
      if (!isBacking || isSameFile(facts, overlay.facts)) {
        return await mergeInspected(files, { overlay, inspection, target }, early ?? optionsOf('newFile'))
      }
      inPlace = { first: { path: overlayPath, facts: overlay.facts, located }, options: optionsOf('inPlace') }
    } finally {
      await overlay.store.close()
    }
    return mergeOver(files, inPlace.first, inPlace.options)
  })
}
