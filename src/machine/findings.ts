import { UmlcowError } from '../errors.js'

export type ForceWord = 'in-use' | 'mtime' | 'size' | 'siblings' | 'room' | 'journal' | 'leaks' | 'damage'

/** The words of `rebase`. Every other verb has its own, or those of a new image. */
export const forceWords: readonly ForceWord[] = ['in-use', 'mtime', 'size']

/** The words of verbs that write what a guest sees into a new file: `convert` and a merge. */
export const newImageForceWords: readonly ForceWord[] = [...forceWords, 'leaks']

/** Something wrong between an overlay and its backing file, or around a file that a verb is about to write. */
export interface Finding {
  /** IN_USE, a BACKING_… code, UNFINISHED_MERGE, or the system's own where umlcow cannot look at the backing file. */
  readonly code: string
  readonly message: string
  /** The word for `--force` that overrides it, when there is one. */
  readonly force?: ForceWord
  readonly hint?: string | undefined
}

/** What going on means, for findings whose own hint does not name the word that overrides them. */
const forceHints: Record<ForceWord, string> = {
  'in-use': '--force=in-use goes on: the result may then be half old, half new',
  mtime: '--force=mtime goes on: the overlay may then show wrong data',
  size: '--force=size goes on: the overlay may then show wrong data',
  siblings: '--force=siblings goes on: these overlays may then lose what they show',
  room: '--force=room goes on: the merge can be finished once there is room',
  journal: '--force=journal goes on: use it only if you know that the other process has ended',
  leaks: '--force=leaks goes on: the result may then lack data',
  damage: '--force=damage goes on: what it shows may then be wrong',
}

/**
 * List what the user can do about findings, a line for each way. If words of `--force` override all findings, it names
 * each of these words. If not, what helps against the others comes first, and alone.
 *
 * @returns  undefined when there is nothing to say
 */
function hintOf(findings: readonly Finding[]): string | undefined {
  const certain = findings.filter(({ force }) => force === undefined)
  const shown = certain.some(({ hint }) => hint !== undefined) ? certain : findings
  const lines = new Set<string>()
  for (const { hint } of shown) if (hint !== undefined) lines.add(hint)
  const own = [...lines].join('\n')
  for (const { force } of certain.length === 0 ? findings : []) {
    if (force !== undefined && !own.includes(`--force=${force}`)) lines.add(forceHints[force])
  }
  return lines.size === 0 ? undefined : [...lines].join('\n')
}

/**
 * Refuse with every finding that no `--force` word overrides.
 *
 * @throws UmlcowError with the code of the first finding and all of them in `details.findings`
 */
export function refuseUnlessForced(findings: readonly Finding[], force: readonly ForceWord[] = []): void {
  const open = findings.filter((finding) => finding.force === undefined || !force.includes(finding.force))
  const first = open[0]
  if (first === undefined) return
  throw new UmlcowError(first.code, open.map((finding) => finding.message).join('\n'), {
    details: { findings: open.map((finding) => `${finding.code}: ${finding.message}`) },
    hint: hintOf(open),
  })
}
