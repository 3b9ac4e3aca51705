import { spawnSync } from 'node:child_process'
import { commandPath } from './command.js'

/** Nobody in particular. */
export const otherUser = { uid: 65_534, gid: 65_534 } as const

/** Whether tests may run the command as that user: takes root, and a project that everybody may read. */
export function canBeOtherUser(): boolean {
  if (process.geteuid?.() !== 0) return false
  const { status } = spawnSync(process.execPath, [commandPath, '--version'], { ...otherUser, cwd: '/' })
  if (status !== 0) console.warn('skipped: another user cannot run the command here')
  return status === 0
}
