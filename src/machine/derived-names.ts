import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import type { Finding } from './findings.js'
import type { HostFiles, HostPath } from './host-files.js'

/** A name that umlcow derives from a user's file: the name of a journal, a marker or a temporary file. */
export interface DerivedName {
  /** The user's file. */
  readonly of: HostPath
  /** The kind of file that has the name: "journal". */
  readonly what: string
  readonly path: Buffer
}

/**
 * Find the names that are too long for the file system. This asks the file system, whose limit may differ from Linux's.
 */
export async function findNamesTooLong(files: HostFiles, names: readonly DerivedName[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const name of names) {
    try {
      await files.lstatOrNull(name.path)
    } catch (error) {
      // The verb reports any other error when it uses the name.
      if (hasCode(error, 'ENAMETOOLONG')) findings.push(nameTooLong(name))
    }
  }
  return findings
}

/** Report a name that is too long for the file system. */
export function nameTooLong({ of, what, path }: DerivedName): Finding {
  const name = path.subarray(path.lastIndexOf(0x2f) + 1)
  return {
    code: 'NAME_TOO_LONG',
    message: `${printablePath(of)}: its ${what} would have a name too long for the file system: ${name.length} bytes, in a path of ${path.length}`,
    hint: 'give the file a shorter name, or move it into a directory with a shorter path',
  }
}

/** Wait for `pending`, and say which name is too long if it fails for that. @throws UmlcowError NAME_TOO_LONG */
export async function orNameTooLong<T>(name: DerivedName, pending: Promise<T>): Promise<T> {
  try {
    return await pending
  } catch (error) {
    if (!hasCode(error, 'ENAMETOOLONG')) throw error
    const { code, message, hint } = nameTooLong(name)
    throw new UmlcowError(code, message, { hint, cause: error })
  }
}
