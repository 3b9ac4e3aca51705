import { printablePath } from '../bytes/escape.js'
import { isSystemError, UmlcowError } from '../errors.js'
import type { Finding } from './findings.js'
import type { HostFiles, HostPath } from './host-files.js'

/** Reasons why a file cannot be opened for writing, in the words that every tool uses. */
const protections: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ETXTBSY: 'Text file busy',
}

/** Convert the error of an open for writing: WRITE_PROTECTED where the host forbids it, any other error as it is. */
export function asWriteProtected(path: HostPath, error: unknown): unknown {
  const code = error instanceof UmlcowError || isSystemError(error) ? error.code : ''
  const reason = Object.hasOwn(protections, code) ? protections[code] : undefined
  if (reason === undefined) return error
  const message = `${printablePath(path)}: cannot be opened for writing: ${reason}`
  return new UmlcowError('WRITE_PROTECTED', message, { details: { cause: code }, cause: error })
}

/**
 * Refuse to replace or remove a file that this process may not write to, even where the directory allows it.
 *
 * Only an attempt shows that: root may do more than the permissions say, and a file system may be read-only.
 *
 * @throws UmlcowError WRITE_PROTECTED
 */
export async function refuseWriteProtected(files: HostFiles, path: HostPath): Promise<void> {
  try {
    await (await files.open(path, 'readWrite')).close()
  } catch (error) {
    throw asWriteProtected(path, error)
  }
}

/** Find the files that this process may not write to. */
export async function findWriteProtected(files: HostFiles, paths: readonly HostPath[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const path of paths) {
    try {
      await refuseWriteProtected(files, path)
    } catch (error) {
      if (!(error instanceof UmlcowError) || error.code !== 'WRITE_PROTECTED') throw error
      findings.push({ code: error.code, message: error.message })
    }
  }
  return findings
}
