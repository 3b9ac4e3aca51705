import { printablePath } from '../../bytes/escape.js'
import { UmlcowError } from '../../errors.js'
import { maxPackMembers } from '../../formats/pack/manifest.js'
import { packManifestName } from '../../formats/pack/manifest-fields.js'
import { type Finding, refuseUnlessForced } from '../../machine/findings.js'
import { type HostFiles, type HostPath, isSameFile } from '../../machine/host-files.js'
import { baseName } from '../../machine/path-bytes.js'
import { findWriters } from '../../machine/processes/find-writers.js'
import { inspectBacking, withForeignHint } from '../../overlays/inspect-backing.js'
import { openProbed, type ProbedFile } from '../../overlays/open.js'
import { type Overlay, overlayOf } from '../../overlays/open-overlay.js'
import { assertNotTorn } from '../../overlays/rewrite-header.js'
import { refuseUnfinished } from '../../overlays/unfinished/find-merge-around.js'
import type { PackOptions } from './options.js'

/** The longest chain of overlays. */
const maxDepth = 64

/** An open file that a pack needs. */
export interface PackInput extends ProbedFile {
  readonly name: Buffer
  readonly overlay: Overlay | null
  /** The backing file of an overlay. */
  readonly backing: PackInput | null
  /** It becomes a member of the pack. Backing files of delta packs do not. */
  isIncluded: boolean
}

/** The open files of a pack. */
export class PackInputs {
  /** All files, each once, backing files before their overlays. */
  readonly all: PackInput[] = []
  readonly warnings: string[] = []
  private readonly findings: Finding[] = []
  /** Overlays whose backing files are being opened. */
  private readonly onWay = new Set<PackInput>()
  private readonly files: HostFiles
  private readonly options: PackOptions

  constructor(files: HostFiles, options: PackOptions) {
    this.files = files
    this.options = options
  }

  /** Files that become members. */
  get members(): readonly PackInput[] {
    return this.all.filter(({ isIncluded }) => isIncluded)
  }

  /** Open files and the backing files of overlays among them. @throws UmlcowError */
  async open(paths: readonly string[]): Promise<void> {
    const { files, options } = this
    if (paths.length === 0) throw new UmlcowError('USAGE', 'pack needs a file to pack')
    for (const path of paths) (await this.add(path, 0)).isIncluded = true
    if (options.backing !== undefined && this.all.filter(({ overlay }) => overlay !== null).length !== 1) {
      throw new UmlcowError('USAGE', '-b says which backing file one overlay has: pack that overlay alone')
    }
    if (options.delta && this.all.every(({ overlay }) => overlay === null)) {
      throw new UmlcowError('USAGE', 'a delta pack needs an overlay: without one there is no backing file to leave out')
    }
    refuseUnlessForced([...this.findings, ...(await findWriters(files, this.all))], options.force)
    this.refuseNames()
  }

  async close(): Promise<void> {
    for (const { store } of this.all) await store.close()
  }

  private async add(path: HostPath, depth: number): Promise<PackInput> {
    const file = await openProbed(this.files, path)
    const known = this.all.find(({ facts }) => isSameFile(facts, file.facts))
    if (known !== undefined || this.all.length >= maxPackMembers || depth > maxDepth) {
      await file.store.close()
      if (known !== undefined && !this.onWay.has(known)) return known
      if (known !== undefined) {
        throw new UmlcowError('CHAIN_TOO_LONG', `${printablePath(path)}: the chain of backing files goes in a circle`)
      }
      throw new UmlcowError('CHAIN_TOO_LONG', `${printablePath(path)}: too many files for one pack`)
    }
    let input: PackInput = { ...file, name: baseName(path), overlay: null, backing: null, isIncluded: false }
    // Even before its own backing file, so that an error closes it.
    const place = this.all.push(input) - 1
    // A backing file that is itself an overlay is plain data to the kernel.
    const isOverlay = file.format === 'cow' && (depth === 0 || this.options.chain === true)
    const overlay = isOverlay ? overlayOf(file) : null
    if (overlay === null) {
      if (file.format === 'qcow2') this.warnings.push(plainWarning(path))
      return input
    }
    await assertNotTorn(this.files, path, file.head)
    await refuseUnfinished(this.files, path)
    this.onWay.add(input)
    const backing = await this.addBacking(overlay, depth)
    input = { ...input, overlay, backing }
    this.all.splice(place, 1)
    this.all.push(input)
    return input
  }

  private async addBacking(overlay: Overlay, depth: number): Promise<PackInput | null> {
    // The path that the user gave is that of the first overlay only.
    const options = depth === 0 ? this.options : { ...this.options, backing: undefined }
    const { located, findings, notes } = await inspectBacking(this.files, overlay, options)
    this.findings.push(...(await withForeignHint(this.files, findings, located)))
    this.warnings.push(...notes)
    const isUsable = located !== null && findings.every(({ code }) => usable.has(code))
    if (!isUsable) return null
    const backing = await this.add(located.path, depth + 1)
    if (!this.options.delta) backing.isIncluded = true
    return backing
  }

  /** A pack has no directories. */
  private refuseNames(): void {
    const seen = new Map<string, PackInput>()
    for (const input of this.members) {
      const key = input.name.toString('latin1')
      const other = seen.get(key)
      const shown = printablePath(input.path)
      if (other !== undefined) {
        const message = `${shown}: has the name of ${printablePath(other.path)}, and a pack has no directories`
        throw new UmlcowError('ENTRY_UNFIT', message, { hint: 'pack them apart, or give one another name' })
      }
      if (key === packManifestName) {
        throw new UmlcowError('ENTRY_UNFIT', `${shown}: has the name that the manifest of a pack has`)
      }
      seen.set(key, input)
    }
  }
}

function plainWarning(path: HostPath): string {
  return `${printablePath(path)}: is packed as it is: umlcow packs no backing file of a qcow2 image, if it has one`
}

/** Findings about a backing file that --force overrides: the file is there and can be read. */
const usable = new Set(['BACKING_SIZE', 'BACKING_MTIME'])
