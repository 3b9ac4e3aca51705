import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { isUndoHeader } from '../../formats/cow/index.js'
import { isPlain } from '../../images/image-formats.js'
import { refuseUnlessForced } from '../../machine/findings.js'
import type { HostFiles } from '../../machine/host-files.js'
import { refuseWriteProtected } from '../../machine/write-protection.js'
import { layerOf, type ProbedFile } from '../../overlays/open.js'
import { findPlainDependents } from '../../overlays/siblings/dependents.js'
import { findOthers } from '../../overlays/siblings/find-siblings.js'
import { findUsersOf } from '../merge/in-place/preflight/find-users.js'
import type { CompactOptions } from './options.js'

/** The hint for an image that cannot be replaced. */
export const toOther = 'write the compact image to another file with -o'

/** Refuse images that hold more than a guest sees now: a compact one would lose it. */
export function refuseHidden(file: ProbedFile): void {
  const { header, qcow2 } = layerOf(file)
  const refuse = (what: string, hint: string) => {
    throw new UmlcowError('TARGET_PROTECTED', `${printablePath(file.path)}: ${what}`, { hint })
  }
  if (file.facts.kind !== 'file') refuse('is no regular file', toOther)
  if (header !== null && isUndoHeader(header)) refuse('is the undo overlay of a merge', 'keep it as it is')
  if (qcow2 === null) return
  if (qcow2.snapshotCount > 0) refuse('has snapshots', 'delete them with "qemu-img snapshot -d" first')
  if (qcow2.hasBitmaps) refuse('has bitmaps of QEMU', 'remove them with "qemu-img bitmap --remove" first')
}

/**
 * Refuse to replace a file that a process has open, that has other names, or that another overlay reads as plain data.
 *
 * @throws UmlcowError IN_USE, TARGET_PROTECTED, OVERLAY_NEEDED, WRITE_PROTECTED
 */
export async function refuseReplacing(files: HostFiles, file: ProbedFile, options: CompactOptions): Promise<void> {
  const name = printablePath(file.path)
  await refuseWriteProtected(files, file.path)
  if (file.facts.links > 1) {
    throw new UmlcowError('TARGET_PROTECTED', `${name}: has ${file.facts.links} names, which would then differ`, {
      hint: toOther,
    })
  }
  const findings = await findUsersOf(files, [file], options.signal)
  if (!isPlain(file.format)) {
    const search = await findOthers(files, file, [file.path], options)
    const base = { ...file, header: { virtualSize: layerOf(file).virtualSize } }
    findings.push(...findPlainDependents(base, search, toOther))
  }
  refuseUnlessForced(findings, options.force)
}
