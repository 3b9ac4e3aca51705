import { printablePath } from '../bytes/escape.js'
import { UmlcowError } from '../errors.js'
import { computeLayout, serializeNewHeader } from '../formats/cow/index.js'
import { foreignFormatOf } from '../formats/recognise/foreign-format.js'
import { type ImageFormat, isPlain } from '../images/image-formats.js'
import type { ForceWord } from '../machine/findings.js'
import { type HostFiles, localHostFiles } from '../machine/host-files.js'
import type { OperationOptions } from '../machine/operation-options.js'
import { checkedOptions, flag, forceOf, pathStyle, type Rules, textPath, writerRules } from '../machine/option-rules.js'
import { lockFiles } from '../machine/processes/lock-files.js'
import type { HostLock } from '../machine/processes/process-lock.js'
import { withUnseenTold } from '../machine/processes/unseen-users.js'
import { writeNewFile } from '../machine/write-new-file.js'
import { guardTarget, refuseSameFile, targetFacts } from '../overlays/guard-target.js'
import { type InputFile, layerOf, openProbed, type ProbedFile } from '../overlays/open.js'
import { openBacking } from '../overlays/open-image.js'
import { type PathStyle, storedBackingPath } from '../overlays/stored-path.js'
import { lookedAtNote } from '../overlays/unfinished/find-by-other-name.js'
import { refuseUnfinished } from '../overlays/unfinished/find-merge-around.js'
import { writeExact } from '../stores/block-store.js'

export interface NewFileVerbOptions extends OperationOptions {
  /** Replace an existing file. */
  readonly overwrite?: boolean | undefined
  readonly dryRun?: boolean | undefined
  readonly noSync?: boolean | undefined
  readonly force?: readonly ForceWord[] | undefined
}

export interface CreateOverlayOptions extends NewFileVerbOptions {
  /** How to store the path of the backing file; default absolute, as uml_mkcow and the kernel do. */
  readonly pathStyle?: PathStyle | undefined
  /** The backing file may be an overlay. Only umlcow reads such chains. */
  readonly chain?: boolean | undefined
}

export interface CreateResult {
  readonly path: string
  readonly format: ImageFormat
  readonly virtualSize: number
  /** The path in the header of an overlay. */
  readonly backingPath: Buffer | null
  readonly dryRun: boolean
  readonly warnings: readonly string[]
}

export const newFileRules: Rules = { ...writerRules, force: forceOf('in-use') }

/** The values that the kernel and uml_mkcow write. The alignment is the page size of their hosts. */
const newOverlay = { sectorSize: 512, alignment: 4096 }

/**
 * Make an empty overlay: version 3, byte for byte what uml_mkcow makes.
 *
 * @throws UmlcowError BACKING_KIND, BACKING_IS_COW, PATH_TOO_LONG, BAD_MTIME, TARGET_…, UNFINISHED_MERGE, and what the
 *         host throws
 */
export async function createOverlay(
  path: string | URL,
  backingPath: string | URL,
  options: CreateOverlayOptions = {},
): Promise<CreateResult> {
  const place = textPath('path', path)
  const backing = textPath('backingPath', backingPath)
  const checked = checkedOptions(options, { ...newFileRules, pathStyle, chain: flag })
  return withUnseenTold(options.files ?? localHostFiles, (files) => makeOverlay(files, place, backing, checked))
}

async function makeOverlay(
  files: HostFiles,
  path: string,
  backingPath: string,
  options: CreateOverlayOptions,
): Promise<CreateResult> {
  const backing = await openProbed(files, backingPath)
  const locks: HostLock[] = []
  try {
    // The lock keeps out a merge that would use the file to replace as its redo log.
    const replaced = await targetFacts(files, path)
    if (replaced?.kind === 'file' && !options.dryRun) locks.push(await lockFiles(files, [{ path, facts: replaced }]))
    const virtualSize = virtualSizeOf(backing, options.chain === true)
    const stored = await storedBackingPath(files, path, backingPath, options.pathStyle ?? { kind: 'absolute' })
    const header = { ...newOverlay, virtualSize, mtime: backing.facts.mtime, backingPath: stored }
    const bytes = serializeNewHeader(header)
    const { dataOffset } = computeLayout({ ...header, layout: 'v3' })
    const result: CreateResult = {
      path,
      format: 'cow',
      virtualSize,
      backingPath: stored,
      dryRun: options.dryRun === true,
      warnings: [
        ...(await namesNote(files, backing, path)),
        ...warningsFor(backing, virtualSize, options.chain === true),
      ],
    }
    // A new overlay would show a mixture now, and the kernel would refuse it after the merge.
    await refuseUnfinished(files, backingPath, { beside: path })
    await refuseInputs(files, path, backing, options)
    const place = await guardTarget(files, path, { ...options, mayBeOverlay: true })
    if (options.dryRun) return result
    await writeNewFile(files, place, { permissions: 0o644, ...options }, async (store) => {
      await writeExact(store, 0, bytes)
      await store.truncate(dataOffset + virtualSize)
    })
    return result
  } finally {
    for (const lock of locks) await lock.release()
    await backing.store.close()
  }
}

/** Refuse a target that is the backing file or, in a chain, any file below it. */
async function refuseInputs(
  files: HostFiles,
  path: string,
  backing: InputFile,
  options: CreateOverlayOptions,
): Promise<void> {
  const existing = await targetFacts(files, path)
  const name = printablePath(path)
  refuseSameFile(existing, name, backing.facts, backing.path)
  if (!options.chain || existing === null) return
  const located = { path: Buffer.from(String(backing.path)), facts: backing.facts }
  const chain = await openBacking(files, located, { chain: true }, [])
  try {
    for (const input of chain.files) refuseSameFile(existing, name, input.facts, input.path)
  } finally {
    await chain.close()
  }
}

function virtualSizeOf(backing: ProbedFile, chain: boolean): number {
  if (chain || isPlain(backing.format)) return layerOf(backing).virtualSize
  // The kernel takes a qcow2 image as plain data, too. That is never meant, so there is a warning.
  if (backing.format !== 'cow') return backing.facts.size
  throw new UmlcowError(
    'BACKING_IS_COW',
    `${printablePath(backing.path)}: is itself a COW file; the kernel takes such a backing file as plain data`,
    {
      hint: 'use --chain to make an overlay on it that only umlcow reads',
    },
  )
}

async function namesNote(files: HostFiles, { path, facts }: InputFile, overlayPath: string): Promise<string[]> {
  const note = await lookedAtNote(files, path, facts, [overlayPath])
  return note === null ? [] : [note]
}

function warningsFor({ path, head, format }: ProbedFile, virtualSize: number, chain: boolean): string[] {
  const name = printablePath(path)
  const warnings: string[] = []
  const foreign = chain && format !== 'raw' ? null : foreignFormatOf(head)
  if (foreign !== null) {
    warnings.push(`${name}: is ${foreign.description}, and a guest sees these bytes as they are; ${foreign.hint}`)
  }
  if (virtualSize <= 32 * 1024) {
    warnings.push(`${name}: has ${virtualSize} bytes; a guest hangs at its first write to 32 KiB or less`)
  }
  return warnings
}
