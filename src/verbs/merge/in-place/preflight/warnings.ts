import { printablePath } from '../../../../bytes/escape.js'
import type { LocatedFile } from '../../../../overlays/resolve-backing.js'
import { dependentWarnings } from '../../../../overlays/siblings/dependents.js'
import { qcow2OverlaysOn, type SiblingSearch } from '../../../../overlays/siblings/sibling-search.js'
import { sectorSizeWarnings } from '../../sector-size.js'
import type { InPlaceOptions } from '../options.js'
import type { SurveyedMerge } from './survey.js'

/** Name at most this many files. Report only the number of the rest. */
const mostTold = 20

/** Collect the warnings about a correct merge in place. @param changed  true when it changes a byte */
export function warningsFor(merge: SurveyedMerge, changed: boolean, options: InPlaceOptions): string[] {
  const { overlay, kept, search, leadsToBacking } = merge
  const warnings: string[] = [...merge.notes, ...sectorSizeWarnings(overlay)]
  const name = printablePath(overlay.path)
  for (const { path, state } of search.siblings.filter((one) => !kept.includes(one))) {
    if (state === 'stale') warnings.push(`${printablePath(path)}: did not fit the backing file before; left as it is`)
    else if (changed && state === 'undo')
      warnings.push(`${printablePath(path)}: takes back an earlier merge only; it no longer fits`)
    else if (changed)
      warnings.push(`${printablePath(path)}: does not fit the backing file any more; the kernel refuses it from now on`)
  }
  if (changed) warnings.push(...qcow2Warnings(search, merge.backing))
  for (const { path } of search.unknown.slice(0, mostTold)) {
    warnings.push(`${printablePath(path)}: may be another overlay on the backing file; left as it is`)
  }
  if (search.unknown.length > mostTold) {
    warnings.push(
      `${search.unknown.length - mostTold} more files may be overlays on the backing file; left as they are`,
    )
  }
  warnings.push(...chainWarnings(merge, changed, options))
  if (!leadsToBacking && options.afterwards !== 'leave' && options.afterwards !== 'delete') {
    warnings.push(`${name}: its header leads to another file, so it was left as it is`)
  }
  if (options.noSync && changed) warnings.push('nothing was synced: a power failure now may damage the backing file')
  if (options.backup !== undefined && !changed) warnings.push('no byte changed, so no undo overlay was made')
  return warnings
}

/** Warn about qcow2 overlays on a backing file that has changed. */
export function qcow2Warnings(search: SiblingSearch, { facts }: Pick<LocatedFile, 'facts'>): string[] {
  return qcow2OverlaysOn(search, facts).map(
    ({ path }) => `${printablePath(path)}: shows other data now: its backing file changed, and QEMU does not notice it`,
  )
}

/** Warn about overlays on the overlay itself and on kept siblings: the headers of these get another mtime. */
function chainWarnings(
  { overlay, kept, search, leadsToBacking }: SurveyedMerge,
  changed: boolean,
  options: InPlaceOptions,
) {
  const { afterwards = 'keep' } = options
  const isTouched = leadsToBacking && (afterwards === 'reset' || (afterwards === 'keep' && changed))
  return [...(isTouched ? [overlay] : []), ...(changed ? kept : [])].flatMap((one) => dependentWarnings(one, search))
}
