import { spawnSync } from 'node:child_process'
import { commandPath } from './command.js'

/** Nobody in particular. */
export const otherUser = { uid: 65_534, gid: 65_534 } as const

/** Whether tests may run the command as that user: takes root, and a project that everybody may read. */
export function canBeOtherUser(): boolean {
  const isRoot = process.geteuid?.() === 0
  const can = isRoot && spawnSync(process.execPath, [commandPath, '--version'], { ...otherUser, cwd: '/' }).status === 0
  if (!can) console.warn(`skipped: another user takes root${isRoot ? ', and may not run the command here' : ''}`)
  return can
}
