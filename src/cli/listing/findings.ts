import type { ExtFinding } from '../../filesystems/ext/index.js'
import type { CliContext } from '../context.js'

/** A damaged file system may give a thousand. */
const maxShown = 10

/** The state of a file system is no reason for a warning: `df` shows it. */
const silent: readonly ExtFinding['kind'][] = ['orphan', 'replayed', 'not-replayed']

/** Warn about the damage that a reader passed over. */
export function warnOfDamage({ warn }: CliContext, findings: readonly ExtFinding[]): void {
  const damage = findings.filter(({ kind }) => !silent.includes(kind))
  for (const { message } of damage.slice(0, maxShown)) warn(message)
  if (damage.length > maxShown) warn(`and ${damage.length - maxShown} more findings; "e2fsck -fn" shows all damage`)
}
