import { availableParallelism } from 'node:os'
import { UmlcowError } from '../../errors.js'
import type { PackedBacking, PackMember } from '../../formats/pack/manifest.js'
import { type FileSurvey, surveyFile, surveyOf } from '../../machine/copying/survey-file.js'
import type { HostFiles, HostPath } from '../../machine/host-files.js'
import { digestFile } from '../../machine/workers/digest-file.js'
import { readBmapOf } from '../../overlays/bmap/read-bmap-of.js'
import { refuseChanged } from '../../overlays/refuse-changed.js'
import type { PackInput } from './open-inputs.js'
import type { PackOptions } from './options.js'
import type { PackProgress } from './progress.js'

/** A file and where its data is. */
export interface SurveyedInput {
  readonly input: PackInput
  readonly survey: FileSurvey
}

/** Digests of files in hexadecimal digits. */
export type Digests = ReadonlyMap<PackInput, string>

/** Find the data of every file. @param target  null for a pipe @throws UmlcowError INPUT_CHANGED, and as `readBmapOf` */
export async function surveyInputs(
  files: HostFiles,
  inputs: readonly PackInput[],
  target: HostPath | null,
  options: PackOptions,
): Promise<SurveyedInput[]> {
  const surveyed: SurveyedInput[] = []
  if (options.bmap !== undefined && inputs.length !== 1) {
    throw new UmlcowError('USAGE', 'a bmap file says where the holes of one image are: pack that image alone')
  }
  for (const input of inputs) {
    const { signal, sparse, bmap } = options
    const survey =
      bmap === undefined
        ? surveyFile(files, input, { sparse, signal })
        : readBmapOf(files, bmap, input, target, signal).then(surveyOf)
    surveyed.push({ input, survey: await unchanged(files, input, survey) })
  }
  return surveyed
}

/**
 * Compute the digests of all files, several at once.
 *
 * @param signal  stops all of them
 * @throws        UmlcowError INPUT_CHANGED
 */
export async function digestInputs(
  files: HostFiles,
  surveyed: readonly SurveyedInput[],
  options: PackOptions,
  progress: PackProgress,
  signal: AbortSignal,
): Promise<Digests> {
  const digests = new Map<PackInput, string>()
  const waiting = surveyed.map((one) => ({ ...one, onPosition: progress.part(one.input.store.size) }))
  const runNext = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const { input, survey, onPosition } = one
      const digesting = digestFile(input.store, survey.stretches, { signal, onPosition })
      digests.set(input, await unchanged(files, input, digesting))
    }
  }
  await Promise.all(Array.from({ length: options.threads ?? availableParallelism() }, runNext))
  return digests
}

/**
 * Wait for a reading of a file, and refuse a file that has changed: also where that made the reading fail. No word of
 * `force` overrides this: the digest in the manifest would not fit the data, and nobody could unpack the pack.
 */
export async function unchanged<T>(files: HostFiles, input: PackInput, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } finally {
    refuseChanged(files, input, 'pack')
  }
}

const unknownDigest = '0'.repeat(64)

/** Describe the members of a pack. @param digests  null: zeros hold their places */
export function membersOf(surveyed: readonly SurveyedInput[], digests: Digests | null): PackMember[] {
  const digestOf = (input: PackInput) => digests?.get(input) ?? unknownDigest
  return surveyed
    .filter(({ input }) => input.isIncluded)
    .map(({ input, survey }): PackMember => {
      const { name, store, facts } = input
      return {
        name,
        size: store.size,
        storedSize: survey.storedSize,
        sha256: digestOf(input),
        mtimeNs: facts.mtimeNs,
        mode: facts.permissions,
        overlay: overlayOf(input, digestOf),
      }
    })
}

function overlayOf({ overlay, backing }: PackInput, digestOf: (input: PackInput) => string): PackMember['overlay'] {
  if (overlay === null) return null
  if (backing === null) throw new Error('unreachable: a missing backing file is a finding')
  const { layout, mtime, virtualSize, sectorSize, alignment, backingPath } = overlay.header
  const header = { layout, mtime, virtualSize, sectorSize, alignment, backingPath: Buffer.from(backingPath) }
  const packed: PackedBacking = {
    name: backing.name,
    size: backing.store.size,
    sha256: digestOf(backing),
    mtimeNs: backing.facts.mtimeNs,
    isIncluded: backing.isIncluded,
  }
  return { header, backing: packed }
}
