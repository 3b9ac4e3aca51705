import { printablePath } from '../bytes/escape.js'
import type { HostFiles } from '../machine/host-files.js'
import { isSameFile } from '../machine/host-files.js'
import { directoryName, isAbsolutePath, joinPath } from '../machine/path-bytes.js'
import { shellQuote } from '../machine/shell-quote.js'
import { targetFacts } from './guard-target.js'
import { inspectQcow2Backing } from './inspect-backing.js'
import type { CopiedFile, MovedBacking } from './moved-backing.js'
import type { Qcow2Overlay } from './open-overlay.js'
import { hasProtocol } from './qcow2-names.js'
import { storedBackingPath } from './stored-path.js'

/**
 * Find the path that leads from a copy of a qcow2 image to the backing file of the original, or to its copy.
 *
 * QEMU looks for a relative path beside the image only. An absolute path stays, and so does the address of a protocol.
 *
 * @param target  the path of the copy
 * @param copied  the files that get a copy in the same run
 */
export async function movedQcow2Backing(
  files: HostFiles,
  overlay: Qcow2Overlay,
  target: Buffer,
  copied: readonly CopiedFile[],
): Promise<MovedBacking> {
  const stored = Buffer.from(overlay.below.path)
  const { located, findings } = await inspectQcow2Backing(files, overlay)
  if (isAbsolutePath(stored) || findings.some(({ code }) => code === 'BACKING_FORMAT')) {
    return { path: stored, located, warnings: [] }
  }
  if (located === null) {
    const shown = printablePath(stored)
    const warning = `${printablePath(overlay.path)}: its backing file "${shown}" does not exist; the copy keeps this path`
    return { path: stored, located, warnings: [warning] }
  }
  const copy = copied.find(({ facts }) => isSameFile(facts, located.facts))
  if (copy === undefined) {
    const beside = await targetFacts(files, joinPath(directoryName(target), stored))
    if (beside !== null && isSameFile(beside, located.facts)) return { path: stored, located, warnings: [] }
  }
  const path = await storedBackingPath(files, target, copy?.target ?? located.path, { kind: 'relative' })
  return { path: withoutProtocol(path), located, warnings: [] }
}

/** QEMU takes what stands before a colon in the first part of a path for the name of a protocol. */
export function withoutProtocol(path: Buffer): Buffer {
  return hasProtocol(path) ? Buffer.concat([Buffer.from('./'), path]) : path
}

/** The warning for a copy whose header has no room for its path. */
export function noRoomForPath(target: Buffer, path: Buffer, format: string | null): string {
  const name = format === null ? '' : `-F ${shellQuote(format)} `
  return (
    `${printablePath(target)}: its header has no room for the path of the backing file, so it keeps one that leads ` +
    `elsewhere; "qemu-img rebase -u ${name}-b ${shellQuote(path)} ${shellQuote(target)}" changes it`
  )
}
