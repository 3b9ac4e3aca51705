import { printablePath } from '../../../../bytes/escape.js'
import type { Finding } from '../../../../machine/findings.js'
import { type ForceWord, refuseUnlessForced } from '../../../../machine/findings.js'
import type { FileFacts, HostFiles, HostPath } from '../../../../machine/host-files.js'
import { type FileUsers, mainUsers } from '../../../../machine/processes/file-users.js'
import { userName } from '../../../../machine/processes/find-writers.js'
import { findBlindness } from '../../../../machine/processes/unseen-users.js'

/** Look this many times at files that seem to be in use; the pause between two looks is in milliseconds. */
const looks = 4
const pause = 100

/**
 * Find files that another process has open. Readers count too: the merge changes the data they read. A process that
 * only looks at a file, such as another umlcow, closes it within a moment, so look again before refusing. Add a finding
 * when umlcow cannot see the users of files at all.
 */
export async function findUsersOf(
  files: HostFiles,
  wanted: readonly { readonly path: HostPath; readonly facts: FileFacts }[],
  signal?: AbortSignal,
): Promise<Finding[]> {
  for (let look = 1; ; look++) {
    const found = await files.users(wanted.map((one) => one.facts))
    const findings = findingsFor(wanted, found)
    if (findings.length === 0 || look === looks) return [...findings, ...findBlindness(found)]
    await files.clock.sleep(pause, signal)
  }
}

function findingsFor(wanted: readonly { readonly path: HostPath }[], found: readonly FileUsers[]): Finding[] {
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

/** Refuse files that another process has open, unless forced. @throws UmlcowError IN_USE */
export async function refuseUsers(
  files: HostFiles,
  wanted: readonly { readonly path: HostPath; readonly facts: FileFacts }[],
  force: readonly ForceWord[],
  signal?: AbortSignal,
): Promise<void> {
  refuseUnlessForced(await findUsersOf(files, wanted, signal), force)
}
