import type { PackedBacking, PackMember } from '../../formats/pack/manifest.js'
import { type FileSurvey, surveyFile } from '../../machine/copying/survey-file.js'
import type { HostFiles } from '../../machine/host-files.js'
import type { PartReporter } from '../../machine/operation-options.js'
import { refuseChanged } from '../../overlays/refuse-changed.js'
import type { PackInput } from './open-inputs.js'
import type { PackOptions } from './options.js'

/** A file, what it becomes in the pack, and where its data is. */
export interface SurveyedInput {
  readonly input: PackInput
  readonly member: PackMember
  readonly survey: FileSurvey
}

/**
 * Read every file once, for the manifest, which comes before the data.
 *
 * @returns  the members in the order of the pack
 * @throws   UmlcowError INPUT_CHANGED
 */
export async function surveyInputs(
  files: HostFiles,
  inputs: readonly PackInput[],
  options: PackOptions,
  progress: PartReporter,
): Promise<SurveyedInput[]> {
  const total = inputs.reduce((sum, { store }) => sum + store.size, 0)
  const report = progress('digest', [0, 1 / 2], total)
  const surveys = new Map<PackInput, FileSurvey>()
  let done = 0
  for (const input of inputs) {
    const { signal, sparse } = options
    const onPosition = (position: number) => report?.(done + position)
    const reading = surveyFile(files, input, { sparse, signal, onPosition })
    surveys.set(input, await unchanged(files, input, options, reading))
    done += input.store.size
  }
  return inputs
    .filter(({ isIncluded }) => isIncluded)
    .map((input) => ({ input, survey: surveys.get(input)!, member: memberOf(input, surveys) }))
}

/** Wait for a reading of a file, and refuse a file that has changed: also where that made the reading fail. */
export async function unchanged<T>(
  files: HostFiles,
  input: PackInput,
  { force }: PackOptions,
  reading: Promise<T>,
): Promise<T> {
  try {
    return await reading
  } finally {
    if (!force?.includes('in-use')) refuseChanged(files, input, 'pack')
  }
}

function memberOf(input: PackInput, surveys: ReadonlyMap<PackInput, FileSurvey>): PackMember {
  const { name, store, facts, overlay, backing } = input
  const { sha256, storedSize } = surveys.get(input)!
  const base = { name, size: store.size, storedSize, sha256, mtimeNs: facts.mtimeNs, mode: facts.permissions }
  if (overlay === null) return { ...base, overlay: null }
  if (backing === null) throw new Error('unreachable: a missing backing file is a finding')
  const found = surveys.get(backing)!
  const { layout, mtime, virtualSize, sectorSize, alignment, backingPath } = overlay.header
  const header = { layout, mtime, virtualSize, sectorSize, alignment, backingPath: Buffer.from(backingPath) }
  const packed: PackedBacking = {
    name: backing.name,
    size: backing.store.size,
    sha256: found.sha256,
    mtimeNs: backing.facts.mtimeNs,
    isIncluded: backing.isIncluded,
  }
  return { ...base, overlay: { header, backing: packed } }
}
