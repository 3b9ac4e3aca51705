import { mountPointsBelow } from '../host/mount-points.js'
import { createProblems } from './problems.js'
import type { Workspace } from './workspace.js'

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
