import { printablePath } from '../bytes/escape.js'
import { hasCode, UmlcowError } from '../errors.js'
import { foreignFormatOf } from '../formats/recognise/foreign-format.js'
import type { Finding } from '../machine/findings.js'
import { type FileFacts, type HostFiles, type HostPath, isSameFile } from '../machine/host-files.js'
import { baseName, directoryName, joinPath, pathBytes } from '../machine/path-bytes.js'
import { layerOf, lookInto } from './open.js'
import type { Overlay, Qcow2Overlay } from './open-overlay.js'
import { hasProtocol } from './qcow2-names.js'
import { type LocatedFile, type ResolveOptions, resolveBackingPath } from './resolve-backing.js'
import { lookedAtNote } from './unfinished/find-by-other-name.js'
import { findMergeInto, unfinishedFindings } from './unfinished/unfinished-merge.js'

export interface BackingOptions extends ResolveOptions {
  /** Use this file, whatever the header says. */
  readonly backing?: HostPath | undefined
  /** The backing file may itself be an overlay: its virtual size then counts, not the length of its file. */
  readonly chain?: boolean | undefined
}

/** Facts about a backing file, found without reading its data. */
export interface BackingInspection {
  /** The path that umlcow looked for: the given one or the one in the header. */
  readonly wanted: HostPath
  /** Null when no such file exists. */
  readonly located: LocatedFile | null
  readonly findings: readonly Finding[]
  /** A file of the same name, size and mtime beside the overlay, when the backing file is missing. */
  readonly lookalike: Buffer | null
  /** Where umlcow looked when a file has several names, for the report of a verb that writes. */
  readonly notes: readonly string[]
}

/** The part of an overlay that says which backing file it wants. A qcow2 image says neither size nor mtime: null. */
type Wanting = Pick<Overlay, 'path'> & {
  readonly facts?: FileFacts | undefined
  readonly header: {
    readonly backingPath: Uint8Array
    readonly virtualSize: number | null
    readonly mtime: number | null
  }
}

/**
 * Find the backing file of an overlay and compare it with the header.
 *
 * The comparison is that of uml_moo and the kernel: size, then mtime in whole seconds. It reads no data of the backing
 * file; with `chain` it reads the header of one.
 */
export async function inspectBacking(
  files: HostFiles,
  overlay: Wanting,
  options: BackingOptions = {},
): Promise<BackingInspection> {
  const wanted = options.backing ?? Buffer.from(overlay.header.backingPath)
  let located: LocatedFile | null
  try {
    located = await locate(files, overlay, options)
  } catch (error) {
    if (!(error instanceof UmlcowError)) throw error
    return {
      wanted,
      located: null,
      findings: [{ code: error.code, message: error.message, hint: error.hint }],
      lookalike: null,
      notes: [],
    }
  }
  if (located !== null) {
    const chain = options.chain === true && overlay.header.virtualSize !== null
    const size = await imageSize(files, located, chain)
    // Report the cause first: while a merge is unfinished, the mtime disagrees on purpose.
    const unfinished = await unfinishedFindings((...of) => findMergeInto(...of, overlay.path), files, located.path)
    const findings = [...unfinished, ...compareWithHeader(overlay, located, size)]
    const note = unfinished.length > 0 ? null : await lookedAtNote(files, located.path, located.facts, [overlay.path])
    return { wanted, located, findings, lookalike: null, notes: note === null ? [] : [note] }
  }

  const lookalike = options.backing === undefined ? await findLookalike(files, overlay) : null
  const name = printablePath(wanted)
  const message =
    wanted.length === 0
      ? `${printablePath(overlay.path)}: its header names no backing file`
      : `${printablePath(overlay.path)}: its backing file "${name}" does not exist`
  return { wanted, located: null, findings: [{ code: 'BACKING_MISSING', message }], lookalike, notes: [] }
}

/**
 * Find the backing file of a qcow2 image. QEMU takes a relative path from the directory of the image only, and reads a
 * name such as `nbd://host` or `json:{...}` as something else than a path.
 */
export async function inspectQcow2Backing(
  files: HostFiles,
  { path, facts, below }: Qcow2Overlay,
  options: BackingOptions = {},
): Promise<BackingInspection> {
  const header = { backingPath: below.path, virtualSize: null, mtime: null }
  if (options.backing !== undefined || !hasProtocol(below.path)) {
    return inspectBacking(files, { path, facts, header }, { ...options, relativeTo: 'besideOverlay' })
  }
  const message =
    `${printablePath(path)}: its backing file "${printablePath(below.path)}" is not a path of this host; umlcow does ` +
    'not read it'
  return {
    wanted: Buffer.from(below.path),
    located: null,
    findings: [{ code: 'BACKING_FORMAT', message }],
    lookalike: null,
    notes: [],
  }
}

async function locate(files: HostFiles, overlay: Wanting, options: BackingOptions): Promise<LocatedFile | null> {
  if (options.backing === undefined) return resolveBackingPath(files, overlay.path, overlay.header.backingPath, options)
  try {
    return { path: pathBytes(options.backing), facts: await files.stat(options.backing) }
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

async function imageSize(files: HostFiles, located: LocatedFile, chain: boolean): Promise<number> {
  if (!chain || located.facts.kind !== 'file') return located.facts.size
  return lookInto(files, located.path, (file) => layerOf(file).virtualSize)
}

function compareWithHeader(overlay: Wanting, located: LocatedFile, size: number): Finding[] {
  const { facts } = located
  const name = printablePath(located.path)
  const { header } = overlay
  if (overlay.facts !== undefined && isSameFile(facts, overlay.facts)) {
    return [{ code: 'BACKING_SELF', message: `${printablePath(overlay.path)}: is its own backing file` }]
  }
  if (facts.kind !== 'file' && facts.kind !== 'blockDevice') {
    return [{ code: 'BACKING_KIND', message: `${name}: is neither a regular file nor a block device` }]
  }
  const findings: Finding[] = []
  if (header.virtualSize !== null && size !== header.virtualSize) {
    findings.push({
      code: 'BACKING_SIZE',
      message: `${name}: its size is not the one in the header of ${printablePath(overlay.path)}: expected ${header.virtualSize}, got ${size}`,
      force: 'size',
    })
  }
  if (header.mtime !== null && facts.mtime !== header.mtime) {
    findings.push({
      code: 'BACKING_MTIME',
      message:
        `${name}: its modification time is not the one in the header of ${printablePath(overlay.path)}: ` +
        `expected ${header.mtime} (${dateText(header.mtime)}), got ${facts.mtime} (${dateText(facts.mtime)})`,
      force: 'mtime',
      // With another size, its content has changed.
      hint:
        findings.length > 0
          ? undefined
          : 'if its content never changed (a copy without "cp -p"), add --force=mtime; if it did, the overlay no longer ' +
            'fits it',
    })
  }
  return findings
}

/**
 * Explain a wrong size: a backing file that is compressed, or a qcow2 image, has the size of that file. This reads the
 * first bytes of the backing file, so it is for verbs that read the backing file anyway.
 */
export async function withForeignHint(
  files: HostFiles,
  findings: readonly Finding[],
  located: LocatedFile | null,
): Promise<Finding[]> {
  const isOtherSize = ({ code }: Finding) => code === 'BACKING_SIZE'
  if (located === null || !findings.some(isOtherSize)) return [...findings]
  const foreign = await lookInto(files, located.path, ({ head }) => foreignFormatOf(head))
  if (foreign === null) return [...findings]
  const hint = `${printablePath(located.path)} is ${foreign.description}: ${foreign.hint}`
  return findings.map((finding) => (isOtherSize(finding) ? { ...finding, hint } : finding))
}

/** Show a time as ISO 8601, for messages. */
export function dateText(seconds: number): string {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? 'no date' : date.toISOString().replace('.000Z', 'Z')
}

/** Find a file beside the overlay with the same name, size and mtime: the pair was probably copied together. */
async function findLookalike(files: HostFiles, overlay: Wanting): Promise<Buffer | null> {
  const name = baseName(Buffer.from(overlay.header.backingPath))
  if (name.length === 0) return null
  const path = joinPath(directoryName(overlay.path), name)
  let facts: FileFacts
  try {
    facts = await files.stat(path)
  } catch (error) {
    if (error instanceof UmlcowError) return null // Absent, or hidden from us: then give no advice.
    throw error
  }
  const { virtualSize, mtime } = overlay.header
  const fits = facts.size === virtualSize && facts.mtime === mtime
  const isItself = overlay.facts !== undefined && isSameFile(facts, overlay.facts)
  return fits && facts.kind === 'file' && !isItself ? path : null
}
