import { UmlcowError } from '../../errors.js'
import { checkedOptions, type Rules, textPath, writerRules } from '../../machine/arguments.js'
import { type HostFiles, isSameFile, localHostFiles } from '../../machine/host-files.js'
import { isPipeTarget, type OutputTarget } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { type BackingOptions, inspectBacking } from '../../overlays/backing.js'
import { targetFacts } from '../../overlays/guard-target.js'
import { openOverlay } from '../../overlays/open-overlay.js'
import { mergeOver } from './in-place/merge-in-place.js'
import { type InPlaceOptions, type InPlaceResult, inPlaceRules } from './in-place/options.js'
import type { FirstLook } from './in-place/under-locks.js'
import { mergeInspected, type NewImageResult } from './new-file.js'
import { type NewImageOptions, newImageRules } from './options.js'

/** Where the merged image goes. */
export type MergeKind = 'newFile' | 'inPlace'

/** Those of a merge into a new file and of one in place: what the target is decides which of them a merge takes. */
export type MergeOptions = NewImageOptions & InPlaceOptions

/** `inPlace` says which of the two it was. */
export type MergeResult = NewImageResult | InPlaceResult

const rulesOf: Readonly<Record<MergeKind, Rules>> = { newFile: newImageRules, inPlace: inPlaceRules }

/** Options that only one kind of merge takes. */
const onlyFor: Readonly<Record<MergeKind, readonly (keyof MergeOptions)[]>> = {
  newFile: ['sparse', 'copier'],
  inPlace: ['afterwards', 'keepSiblings', 'siblingsIn', 'backup'],
}

/**
 * Merge an overlay and its backing file. Afterwards `target` holds the merged image, whatever it was before.
 *
 * A target that is the overlay's own backing file, by whatever name, is merged in place with all guards, as
 * `mergeInPlace` does. Any other target is a new file or a pipe; the overlay and the backing file then stay as they are.
 *
 * @throws UmlcowError SAME_FILE, TARGET_…, BACKING_…, IN_USE, TRUNCATED_OVERLAY, INPUT_CHANGED, INTERRUPTED,
 *         COPIER_UNAVAILABLE, VERIFY_FAILED, and what `parseCowHeader` and the host throw. A new file is then not there,
 *         not even in part. For a merge in place as `mergeInPlace`. USAGE for an option that this kind of merge does not
 *         take.
 */
export async function merge(
  overlayPath: string | URL,
  target: OutputTarget | URL,
  options: MergeOptions = {},
): Promise<MergeResult> {
  const overlay = textPath('overlayPath', overlayPath)
  const place = isPipeTarget(target) ? target : textPath('target', target)
  const checked = checkedOptions(options, { ...newImageRules, ...inPlaceRules, force: writerRules.force! })
  return mergeDecided(overlay, place, checked, (kind) => optionsFor(kind, checked))
}

/** @throws UmlcowError USAGE, RangeError for a word of `force` that this kind of merge does not know */
function optionsFor(kind: MergeKind, options: MergeOptions): MergeOptions {
  const others = onlyFor[kind === 'newFile' ? 'inPlace' : 'newFile']
  const name = others.find((one) => options[one] !== undefined)
  if (name === undefined) return checkedOptions(options, rulesOf[kind])
  const why = kind === 'newFile' ? 'the target is not the backing file' : 'the target is the backing file'
  throw new UmlcowError('USAGE', `${name}: ${why}, and such a merge does not take it`)
}

/**
 * Decide what kind of merge it is, then carry it out.
 *
 * @param look      where to find the backing file
 * @param optionsOf  the options of a kind; it throws when the user did not want that kind
 */
export function mergeDecided(
  overlayPath: string,
  target: OutputTarget,
  look: BackingOptions & { readonly files?: HostFiles | undefined },
  optionsOf: (kind: MergeKind) => MergeOptions,
): Promise<MergeResult> {
  return withUnseenTold<MergeResult>(look.files ?? localHostFiles, async (files) => {
    const facts = typeof target === 'string' ? await targetFacts(files, target) : null
    // A file that is not there is a new one: then wrong options are refused before anything is opened.
    const early = facts === null ? optionsOf('newFile') : null
    let inPlace: { first: FirstLook; options: MergeOptions }
    const overlay = await openOverlay(files, overlayPath)
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
