import { UmlcowError } from '../errors.js'

export type ForceWord = 'in-use' | 'mtime' | 'size' | 'siblings' | 'room' | 'journal'

/** The words of a merge into a new file and of `rebase`. Every other verb has its own. */
export const forceWords: readonly ForceWord[] = ['in-use', 'mtime', 'size']

/** Something wrong between an overlay and its backing file, or around a file that a verb is about to write. */
export interface Finding {
  /** IN_USE, a BACKING_… code, UNFINISHED_MERGE, or the system's own where umlcow cannot look at the backing file. */
  readonly code: string
  readonly message: string
  /** The word for `--force` that overrides it, when there is one. */
  readonly force?: ForceWord
  readonly hint?: string | undefined
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
  const hint = open.find((finding) => finding.hint !== undefined)?.hint
  throw new UmlcowError(first.code, open.map((finding) => finding.message).join('\n'), {
    details: { findings: open.map((finding) => `${finding.code}: ${finding.message}`) },
    hint,
  })
}
