import type { ManifestEntry, ManifestItem } from '../../formats/manifest/entry.js'
import { type PackMember, serializePackManifest } from '../../formats/pack/manifest.js'
import { packManifestName } from '../../formats/pack/manifest-fields.js'
import { createCopyPace } from '../../machine/copying/pace.js'
import { readStretches } from '../../machine/copying/read-stretches.js'
import type { HostFiles } from '../../machine/host-files.js'
import type { PackOptions } from './options.js'
import type { PackProgress } from './progress.js'
import { type SurveyedInput, unchanged } from './survey-inputs.js'

/**
 * Yield the files of a pack for a tar writer.
 *
 * @throws UmlcowError INPUT_CHANGED when a file has changed since it was opened: the pack must then not be used
 */
export async function* fileItems(
  files: HostFiles,
  surveyed: readonly SurveyedInput[],
  options: PackOptions,
  progress: PackProgress,
): AsyncGenerator<ManifestItem> {
  for (const one of surveyed) {
    const { input, survey } = one
    if (!input.isIncluded) continue
    const pace = createCopyPace(options.signal, progress.part(input.store.size))
    const data = checkedData(files, one, readStretches(input.store, survey.stretches, pace))
    const { name, store, facts } = input
    const entry = entryNamed(name, store.size, facts.permissions, facts.mtimeNs)
    const sparse = { stretches: survey.stretches, data }
    yield { entry, content: { [Symbol.asyncIterator]: () => data, sparse } }
  }
  // The last look comes after all data, and before the end of the archive.
  for (const { input } of surveyed) await unchanged(files, input, Promise.resolve())
}

/** Pass the data of a file on, and see to it that a file that was cut counts as changed. */
async function* checkedData(
  files: HostFiles,
  { input }: SurveyedInput,
  data: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await data.next().catch((error: unknown) => unchanged(files, input, Promise.reject(error)))
    if (next.done) return
    yield next.value
  }
}

/** Make the item of the manifest. */
export function manifestItem(members: readonly PackMember[]): ManifestItem {
  const bytes = serializePackManifest(members)
  const newest = members.reduce((latest, { mtimeNs }) => (mtimeNs > latest ? mtimeNs : latest), 0n)
  const entry = entryNamed(Buffer.from(packManifestName), bytes.length, 0o644, newest)
  return { entry, content: { [Symbol.asyncIterator]: () => once(bytes) } }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Published files belong to root: "tar -x" of any other user takes that user. */
function entryNamed(path: Uint8Array, size: number, mode: number, mtimeNs: bigint): ManifestEntry {
  return {
    path,
    type: 'file',
    mode,
    uid: 0,
    gid: 0,
    device: null,
    linkTarget: null,
    hardLinkTo: null,
    size,
    mtimeNs,
    xattrs: null,
  }
}
