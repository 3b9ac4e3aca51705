import { mountPointsBelow } from '../machine/mount-points.js'
import type { Workspace } from '../trees/kinds/humfs/workspace.js'
import { createProblems } from '../trees/problems.js'

/**
 * What is mounted in data is no part of it: it would be given to the user, and the directory below it would not get back
 * what its metadata says.
 *
 * @throws UmlcowError HUMFS_UNFIT
 */
export function refuseMounts({ paths }: Workspace): void {
  const problems = createProblems('data')
  for (const path of mountPointsBelow(paths.data)) problems.add(path, 'something is mounted there')
  problems.refuse('HUMFS_UNFIT', 'unmount it first; nothing was changed')
}
