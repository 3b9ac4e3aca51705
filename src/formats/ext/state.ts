import { extIncompatible, hasBit } from './features.js'

// The field `state` of the superblock.  Source: Linux Documentation/filesystems/ext4/super.rst, "s_state"
const unmounted = 0x1
const errorsFound = 0x2

/**
 * What a file system says about its last use.
 *
 * `clean`: it was unmounted, and stands alone. `mounted`: it has no journal, and is mounted or was not unmounted.
 * `needs-recovery`: the same with a journal, which a reader must replay. `errors`: the kernel found damage.
 */
export type FileSystemState = 'clean' | 'mounted' | 'needs-recovery' | 'errors'

/** List what the superblock of a file system says about its last use. */
export function extStates({ revision, state, incompatible }: StateFields): FileSystemState[] {
  const states: FileSystemState[] = []
  // Revision 0 has no features.
  const needsRecovery = revision > 0 && hasBit(incompatible, extIncompatible.needsRecovery)
  if (needsRecovery) states.push('needs-recovery')
  if (!needsRecovery && !hasBit(state, unmounted)) states.push('mounted')
  if (hasBit(state, errorsFound)) states.push('errors')
  return states.length === 0 ? ['clean'] : states
}

interface StateFields {
  readonly revision: number
  readonly state: number
  readonly incompatible: number
}
