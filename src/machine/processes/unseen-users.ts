import type { Finding } from '../findings.js'
import type { FileFacts, HostFiles } from '../host-files.js'
import { type FileUsers, unseenLocks, unseenOpenFiles } from './file-users.js'

/**
 * Carry out an operation, and add a warning to its result when it could not see every user of its files. It adds one
 * warning, however often the operation looked.
 */
export async function withUnseenTold<T extends { readonly warnings: readonly string[] }>(
  files: HostFiles,
  run: (files: HostFiles) => Promise<T>,
): Promise<T> {
  const unseen = new Set<string>()
  const result = await run(noticing(files, unseen))
  return unseen.size === 0 ? result : { ...result, warnings: [unseenWarning(unseen), ...result.warnings] }
}

/** Wrap files: each look for users adds to `unseen` what it could not look at. */
function noticing(files: HostFiles, unseen: Set<string>): HostFiles {
  const users = async (facts: readonly FileFacts[]): Promise<FileUsers[]> => {
    const found = await files.users(facts)
    for (const one of found.flatMap((each) => each.unseen)) unseen.add(one)
    return found
  }
  // Files may be an object of a class, whose methods need that object as `this`.
  return new Proxy(files, {
    get(target, key) {
      if (key === 'users') return users
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function unseenWarning(unseen: ReadonlySet<string>): string {
  return `cannot see every process that may have the files open; not looked at: ${[...unseen].join('; ')}`
}

/** Find out whether umlcow can see any user at all. Where it cannot, it must not write. */
export function findBlindness(found: readonly FileUsers[]): Finding[] {
  const isBlind = found.some(({ unseen }) => unseen.includes(unseenLocks) && unseen.includes(unseenOpenFiles))
  if (!isBlind) return []
  return [
    {
      code: 'IN_USE',
      message: 'cannot see whether the files are in use: /proc is not there',
      force: 'in-use',
      hint: 'mount /proc; or halt every guest that uses them, then add --force=in-use',
    },
  ]
}
