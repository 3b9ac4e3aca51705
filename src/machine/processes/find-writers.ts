import { printablePath } from '../../bytes/escape.js'
import type { Finding } from '../findings.js'
import type { FileFacts, HostFiles, HostPath } from '../host-files.js'
import { type FileUser, mainUsers } from './file-users.js'
import { findBlindness } from './unseen-users.js'

interface NamedFile {
  readonly path: HostPath
  readonly facts: FileFacts
}

/**
 * Find the files that another process may write. Bytes read from such a file need not fit together.
 *
 * Pass all files at once: each look at the locks of the host takes the kernel 10 ms.
 *
 * @param options  mustSee: add a finding where umlcow can see no user of any file
 */
export async function findWriters(
  files: HostFiles,
  wanted: readonly NamedFile[],
  options: { readonly mustSee?: boolean } = {},
): Promise<Finding[]> {
  const found = await files.users(wanted.map(({ facts }) => facts))
  const findings = wanted.flatMap(({ path }, i): Finding[] => {
    const writers = found[i]!.users.filter((user) => user.access === 'write')
    if (writers.length === 0) return []
    return [
      {
        code: 'IN_USE' as const,
        message: `${printablePath(path)}: is open for writing by ${mainUsers(writers).map(userName).join(', ')}`,
        force: 'in-use' as const,
        hint: 'halt the guest first, or add --force=in-use: the result may then be torn',
      },
    ]
  })
  return options.mustSee ? [...findings, ...findBlindness(found)] : findings
}

/** Name a user of a file for messages. */
export function userName(user: FileUser): string {
  if (user.seen === 'loop') return 'a loop device'
  return user.pid > 0 ? `process ${user.pid}` : 'a process that cannot be named'
}
