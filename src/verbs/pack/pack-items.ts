import type { ManifestEntry, ManifestItem } from '../../formats/manifest/entry.js'
import { type PackMember, packManifestName, serializePackManifest } from '../../formats/pack/manifest.js'
import { createCopyPace } from '../../machine/copying/pace.js'
import { readStretches } from '../../machine/copying/read-stretches.js'
import type { HostFiles } from '../../machine/host-files.js'
import type { PartReporter } from '../../machine/operation-options.js'
import type { PackOptions } from './options.js'
import { type SurveyedInput, unchanged } from './survey-inputs.js'

/**
 * Yield the members of a pack for a tar writer: the manifest, then the files.
 *
 * @throws UmlcowError INPUT_CHANGED when a file is not what the manifest says: the pack must then not be used
 */
export async function* packItems(
  files: HostFiles,
  surveyed: readonly SurveyedInput[],
  options: PackOptions,
  progress: PartReporter,
): AsyncGenerator<ManifestItem> {
  const members = surveyed.map(({ member }) => member)
  yield manifestItem(members)
  const total = members.reduce((sum, { storedSize }) => sum + storedSize, 0)
  const report = progress('pack', [1 / 2, 1], total)
  let done = 0
  for (const one of surveyed) {
    const { input, member, survey } = one
    // Positions ascend, and those in holes cost nothing.
    const share = member.size === 0 ? 1 : member.storedSize / member.size
    const pace = createCopyPace(options.signal, (position) => report?.(done + position * share))
    const data = readStretches(input.store, survey.stretches, pace)
    const checked = checkedData(files, one, options, data)
    const sparse = { stretches: survey.stretches, data: checked }
    yield { entry: entryOf(member), content: { [Symbol.asyncIterator]: () => checked, sparse } }
    done += member.storedSize
  }
  // The last look comes after all data, and before the end of the archive.
  for (const { input } of surveyed) await unchanged(files, input, options, Promise.resolve())
  report?.(total)
}

/** Pass the data of a file on, and see to it that a file that was cut counts as changed. */
async function* checkedData(
  files: HostFiles,
  { input }: SurveyedInput,
  options: PackOptions,
  data: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await data.next().catch((error: unknown) => unchanged(files, input, options, Promise.reject(error)))
    if (next.done) return
    yield next.value
  }
}

function manifestItem(members: readonly PackMember[]): ManifestItem {
  const bytes = serializePackManifest(members)
  const newest = members.reduce((latest, { mtimeNs }) => (mtimeNs > latest ? mtimeNs : latest), 0n)
  const entry = entryNamed(Buffer.from(packManifestName), bytes.length, 0o644, newest)
  return { entry, content: { [Symbol.asyncIterator]: () => once(bytes) } }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function entryOf({ name, size, mode, mtimeNs }: PackMember): ManifestEntry {
  return entryNamed(name, size, mode, mtimeNs)
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
