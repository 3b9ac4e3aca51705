import { printablePath } from '../../bytes/escape.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { PackMember } from '../../formats/pack/manifest.js'
import { surveyFile } from '../../machine/copying/survey-file.js'
import { type FileFacts, type HostFiles, isSameFile } from '../../machine/host-files.js'
import { joinPath } from '../../machine/path-bytes.js'
import { digestFile } from '../../machine/workers/digest-file.js'
import { type InputFile, openInput } from '../../overlays/open.js'
import { resolveBackingPath } from '../../overlays/resolve-backing.js'
import type { UnpackOptions } from './options.js'

/** A backing file of this host with the digest that a pack wants. */
export interface FoundBacking {
  readonly path: Buffer
  readonly facts: FileFacts
}

type Overlay = NonNullable<PackMember['overlay']>

/** Finds the backing files that a delta pack lacks, each once. */
export class BackingFinder {
  private readonly found = new Map<string, FoundBacking>()
  private readonly files: HostFiles
  private readonly directory: string
  private readonly options: UnpackOptions

  constructor(files: HostFiles, directory: string, options: UnpackOptions) {
    this.files = files
    this.directory = directory
    this.options = options
  }

  /**
   * Find the backing file of a packed overlay: the given one, the one that its header names, or one of that name in the
   * directory.
   *
   * @throws UmlcowError BACKING_MISSING; BACKING_DIGEST when none has the right content
   */
  async find(name: Uint8Array, overlay: Overlay): Promise<FoundBacking> {
    const known = this.found.get(overlay.backing.sha256)
    if (known !== undefined) return known
    const candidates = await this.candidates(name, overlay)
    const shown = printablePath(overlay.backing.name)
    if (candidates.length === 0) {
      throw new UmlcowError('BACKING_MISSING', `${printablePath(name)}: its backing file "${shown}" is not here`, {
        hint: 'the pack does not hold it: say where it is with -b FILE',
      })
    }
    for (const candidate of candidates) {
      if (!(await this.hasDigest(candidate, overlay))) continue
      this.found.set(overlay.backing.sha256, candidate)
      return candidate
    }
    const where = candidates.map(({ path }) => printablePath(path)).join(', ')
    throw new UmlcowError('BACKING_DIGEST', `${where}: is not the backing file of ${printablePath(name)}`, {
      details: { expected: overlay.backing.sha256 },
      hint: 'find the file that the overlay was made on, and say where it is with -b FILE',
    })
  }

  private async candidates(name: Uint8Array, { header, backing }: Overlay): Promise<FoundBacking[]> {
    const { files, directory } = this
    const given = this.options.backing
    if (given !== undefined) return [{ path: Buffer.from(given), facts: await files.stat(given) }]
    const named = await resolveBackingPath(files, joinPath(directory, name), header.backingPath).catch(orNull)
    const beside = await resolveBackingPath(files, joinPath(directory, name), backing.name).catch(orNull)
    const all = [named, beside].filter((one) => one !== null && isReadable(one.facts)) as FoundBacking[]
    return all.filter(({ facts }, i) => all.findIndex((one) => isSameFile(one.facts, facts)) === i)
  }

  /** Open a candidate. @returns null for one that this user may not read, unless the caller has named it */
  private async open(path: Buffer): Promise<InputFile | null> {
    try {
      return await openInput(this.files, path)
    } catch (error) {
      if (this.options.backing === undefined && hasCode(error, 'EACCES', 'EPERM')) return null
      throw error
    }
  }

  private async hasDigest({ path }: FoundBacking, { backing }: Overlay): Promise<boolean> {
    const input = await this.open(path)
    if (input === null) return false
    try {
      if (input.store.size !== backing.size) return false
      const { signal } = this.options
      const { stretches } = await surveyFile(this.files, input, { signal })
      return (await digestFile(input.store, stretches, { signal })) === backing.sha256
    } finally {
      await input.store.close()
    }
  }
}

function isReadable({ kind }: FileFacts): boolean {
  return kind === 'file' || kind === 'blockDevice'
}

/** A path that leads nowhere that umlcow may look at is no candidate. */
function orNull(error: unknown): null {
  if (hasCode(error, 'EACCES', 'EPERM', 'ELOOP', 'BACKING_AMBIGUOUS')) return null
  throw error
}
