import { mountPointsBelow } from '../machine/mount-points.js'
import type { Workspace } from '../trees/kinds/humfs/workspace.js'
import { createProblems } from '../trees/problems.js'

/**
 * Refuse mount points in data. A mounted file system is not part of the tree: humfsify would give its files to the
 * user, and a restore would not reach the directory below the mount.
 *
 * @throws UmlcowError HUMFS_UNFIT
 */
export function refuseMounts({ paths }: Workspace): void {
  const problems = createProblems('data')
  for (const path of mountPointsBelow(paths.data)) problems.add(path, 'something is mounted there')
  problems.refuse('HUMFS_UNFIT', 'unmount it first; nothing was changed')
}
