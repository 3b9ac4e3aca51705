import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { findTruncation } from '../../images/cow-image.js'
import { type Finding, refuseUnlessForced } from '../../machine/findings.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../machine/host-files.js'
import type { OutputTarget } from '../../machine/output-target.js'
import { directoryName, isAbsolutePath, joinPath } from '../../machine/path-bytes.js'
import { findWriters } from '../../machine/processes/find-writers.js'
import { shellQuote } from '../../machine/shell-quote.js'
import { refuseSameFile, targetFacts } from '../../overlays/guard-target.js'
import { type BackingInspection, withForeignHint } from '../../overlays/inspect-backing.js'
import type { Overlay } from '../../overlays/open-overlay.js'
import type { LocatedFile } from '../../overlays/resolve-backing.js'
import type { NewImageOptions } from './options.js'

/** The file at the path of the output, null when there is none, and its name in messages. */
export interface TargetPlace {
  readonly facts: FileFacts | null
  readonly name: string
}

/** Look at the path of the output. */
export async function placeOf(files: HostFiles, target: OutputTarget): Promise<TargetPlace> {
  if (typeof target !== 'string') return { facts: target.facts, name: target.pipe.name }
  return { facts: await targetFacts(files, target), name: printablePath(target) }
}

/** The files of a merge into a new file: the open overlay, findings about its backing file, and the output. */
export interface NewFileInputs {
  readonly overlay: Overlay
  readonly inspection: BackingInspection
  readonly target: OutputTarget
}

/**
 * Refuse inputs and outputs that a merge must not use. This runs before the merge opens any file for writing.
 *
 * @returns the backing file
 * @throws  UmlcowError SAME_FILE, TARGET_PROTECTED, IN_USE, BACKING_…
 */
export async function guardInputs(
  files: HostFiles,
  { overlay, inspection, target }: NewFileInputs,
  options: NewImageOptions,
): Promise<LocatedFile> {
  const place = await placeOf(files, target)
  refuseSameFile(place.facts, place.name, overlay.facts, overlay.path)
  const { findings, located, lookalike } = inspection
  if (located !== null && place.facts !== null && isSameFile(place.facts, located.facts)) {
    refuseSameFile(place.facts, place.name, located.facts, located.path)
  }
  if (options.backing !== undefined) await refuseOwnBacking(files, overlay, place)
  const explained = await withForeignHint(files, findings, located)
  const all = explained.map((finding) => withLookalike(finding, lookalike, overlay, target, options))
  all.push(...(await findWriters(files, located === null ? [overlay] : [overlay, located])))
  refuseUnlessForced(all, options.force)
  if (located === null) throw new Error('unreachable: a missing backing file is a finding')
  return located
}

/**
 * Refuse an output that is the backing file in the overlay's header. With `-b` that file is not an input, but the
 * overlay still needs it. A relative path may lead to two files, and both are protected: the one beside the overlay and
 * the kernel's, in the current directory.
 */
export async function refuseOwnBacking(files: HostFiles, overlay: Overlay, place: TargetPlace): Promise<void> {
  const named = Buffer.from(overlay.header.backingPath)
  if (place.facts === null || named.length === 0) return
  const candidates = isAbsolutePath(named) ? [named] : [named, joinPath(directoryName(overlay.path), named)]
  for (const candidate of candidates) {
    const own = await targetFacts(files, candidate)
    if (own === null || !isSameFile(own, place.facts)) continue
    throw new UmlcowError(
      'TARGET_PROTECTED',
      `${place.name}: is the backing file in the header of ${printablePath(overlay.path)}`,
    )
  }
}

/** Write the options that shape the result as the user types them. */
function optionWords({ overwrite, sparse, verify, allowShort, noSync, force }: NewImageOptions): string {
  const words = [
    overwrite ? '--overwrite' : '',
    sparse === undefined || sparse === 'auto' ? '' : `--sparse=${sparse}`,
    verify ? '--verify' : '',
    allowShort ? '--allow-short' : '',
    noSync ? '--no-sync' : '',
    force === undefined || force.length === 0 ? '' : `--force=${force.join(',')}`,
  ]
  return words.map((word) => (word === '' ? '' : `${word} `)).join('')
}

function withLookalike(
  finding: Finding,
  lookalike: Buffer | null,
  overlay: Overlay,
  target: OutputTarget,
  options: NewImageOptions,
): Finding {
  if (finding.code !== 'BACKING_MISSING' || options.backing !== undefined) return finding
  if (lookalike === null) return { ...finding, hint: '-b FILE says where it is now' }
  const output = typeof target === 'string' ? shellQuote(target) : '-'
  return {
    ...finding,
    message: `${finding.message}; a file of that name, size and modification time lies beside the overlay: ${printablePath(lookalike)}`,
    hint: `umlcow merge ${optionWords(options)}-b ${shellQuote(lookalike)} ${shellQuote(overlay.path)} ${output}`,
  }
}

/** Refuse an overlay that ends before its bitmap or its allocated sectors. @throws UmlcowError TRUNCATED_OVERLAY */
export async function refuseTruncated(overlay: Overlay, signal: AbortSignal | undefined): Promise<void> {
  const truncation = await findTruncation(overlay.store, overlay.header, signal)
  if (truncation === null) return
  const what = truncation.inBitmap
    ? 'the file ends inside its bitmap'
    : `the file ends before ${truncation.missingLength} bytes of allocated sectors, the first at guest offset ${truncation.firstMissing}`
  throw new UmlcowError('TRUNCATED_OVERLAY', `${printablePath(overlay.path)}: ${what}`, {
    details: { missingLength: truncation.missingLength, inBitmap: truncation.inBitmap },
    hint: 'use --allow-short to read zeros there, as the kernel does',
  })
}
