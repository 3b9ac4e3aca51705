import { printablePath } from '../../bytes/escape.js'
import type { Finding } from '../../host/backing.js'
import { type ForceWord, refuseUnlessForced, userName } from '../../host/guard.js'
import type { FileFacts, HostFiles, HostPath } from '../../host/host-files.js'
import { mainUsers } from '../../host/in-use.js'

/** A finding for each file that somebody has open, be it only to read: what is read changes under him. */
export function findUsersOf(
  files: HostFiles,
  wanted: readonly { readonly path: HostPath; readonly facts: FileFacts }[],
): Finding[] {
  const found = files.users(wanted.map((one) => one.facts))
  return wanted.flatMap(({ path }, index): Finding[] => {
    const users = mainUsers(found[index]?.users ?? [])
    if (users.length === 0) return []
    return [
      {
        code: 'IN_USE',
        message: `${printablePath(path)}: is in use by ${users.map(userName).join(', ')}`,
        force: 'in-use',
        hint: 'halt the guest first',
      },
    ]
  })
}

/** @throws UmlcowError IN_USE */
export function refuseUsers(
  files: HostFiles,
  wanted: readonly { readonly path: HostPath; readonly facts: FileFacts }[],
  force: readonly ForceWord[],
): void {
  refuseUnlessForced(findUsersOf(files, wanted), force)
}
