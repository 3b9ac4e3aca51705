import type { Copier } from '../../engine/choose-copier.js'
import { UmlcowError } from '../../errors.js'

/** The way that worked, or the last failure of a program of the host; null when no way works here. */
export type CopierOutcome = { readonly way: Copier } | { readonly way: null; readonly failure: unknown }

/**
 * Try ways of copying until one works.
 *
 * @param attempt  returns false when its way does not work
 * @throws         what `attempt` throws, except failures of programs of the host: another way may still work
 */
export async function firstCopier(
  ways: readonly Copier[],
  attempt: (way: Copier) => Promise<boolean>,
): Promise<CopierOutcome> {
  let failure: unknown = null
  for (const way of ways) {
    try {
      if (await attempt(way)) return { way }
    } catch (error) {
      // Even after a full disk the next way may succeed: it may store less.
      if (!isHelperFailure(error)) throw error
      failure = error
    }
  }
  return { way: null, failure }
}

function isHelperFailure(error: unknown): boolean {
  return error instanceof UmlcowError && 'program' in error.details
}
