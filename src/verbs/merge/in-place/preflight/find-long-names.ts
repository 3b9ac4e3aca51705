import { hasCode } from '../../../../errors.js'
import { type DerivedName, findNamesTooLong, nameTooLong } from '../../../../machine/derived-names.js'
import type { Finding } from '../../../../machine/findings.js'
import type { HostFiles, HostPath } from '../../../../machine/host-files.js'
import { directoryName, joinPath, pathBytes } from '../../../../machine/path-bytes.js'
import { longestTemporaryName } from '../../../../machine/write-new-file.js'
import type { Overlay } from '../../../../overlays/open-overlay.js'
import type { LocatedFile } from '../../../../overlays/resolve-backing.js'
import { journalSuffix, markerSuffix } from '../../../../overlays/unfinished/merge-journal.js'
import type { InPlaceOptions } from '../options.js'

/** Find names too long for the host among those that a merge in place derives. It checks all before it begins. */
export async function findLongNames(
  files: HostFiles,
  overlay: Overlay,
  backing: LocatedFile,
  options: InPlaceOptions,
): Promise<Finding[]> {
  const marked = backing.facts.kind === 'file' ? backing.path : overlay.path
  const findings: Finding[] = []
  const names: DerivedName[] = []
  for (const [of, what, suffix] of [
    [overlay.path, 'journal', journalSuffix],
    [marked, 'marker', markerSuffix],
  ] as const) {
    const real = await realPathOrNull(files, of)
    if (real === null) findings.push(nameTooLong({ of, what, path: pathBytes(of) }))
    else names.push({ of, what, path: Buffer.concat([real, Buffer.from(suffix)]) }, temporaryBeside(of, real))
  }
  const { backup } = options
  if (backup !== undefined) {
    names.push(
      { of: backup, what: 'undo overlay', path: pathBytes(backup) },
      temporaryBeside(backup, pathBytes(backup)),
    )
  }
  return [...findings, ...(await findNamesTooLong(files, names))]
}

function temporaryBeside(of: HostPath, path: Buffer): DerivedName {
  return { of, what: 'temporary file', path: joinPath(directoryName(path), longestTemporaryName) }
}

/** Resolve links; null when the whole path is longer than a system call accepts, although a shorter one led there. */
async function realPathOrNull(files: HostFiles, path: HostPath): Promise<Buffer | null> {
  try {
    return await files.realPath(path)
  } catch (error) {
    if (hasCode(error, 'ENAMETOOLONG')) return null
    throw error
  }
}
