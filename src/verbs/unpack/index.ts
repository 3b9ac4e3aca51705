import { printablePath } from '../../bytes/escape.js'
import type { PackMember } from '../../formats/pack/manifest.js'
import { createCopyPace } from '../../machine/copying/pace.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { progressReporter } from '../../machine/operation-options.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { refuseWritesOnWindows } from '../../machine/platform.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { StreamDigests } from '../../machine/workers/stream-digest.js'
import type { NewFileTarget } from '../../machine/write-new-file.js'
import { type BackingPlace, finishFile, relocate, type WrittenFile } from './complete-files.js'
import { copyMember } from './copy-member.js'
import { BackingFinder, type FoundBacking } from './find-backing.js'
import { guardPlaces, refuseNoDirectory } from './guard-places.js'
import { NewFiles } from './new-files.js'
import {
  type PackContents,
  type PackSource,
  type ReadPackOptions,
  readPackRules,
  type UnpackedFile,
  type UnpackOptions,
  type UnpackResult,
  unpackRules,
} from './options.js'
import { type OpenPack, openPack } from './read-pack.js'

/**
 * Take a pack apart: files with their holes, permissions and modification times, and overlays whose headers lead to
 * where their backing files are now, so that a guest boots at once.
 *
 * It checks the digest of every file, then gives all files their names together. After any failure there is none of
 * them. Names in a pack are names of files in the directory, never paths.
 *
 * @throws UmlcowError NOT_PACK, BAD_PACK, PACK_…, BAD_COMPRESSED, TRUNCATED_COMPRESSED, TRUNCATED_ARCHIVE, SAME_FILE, TARGET_…, BACKING_MISSING,
 *         BACKING_DIGEST, NO_ROOM, IN_USE, PATH_TOO_LONG, INTERRUPTED
 */
export async function unpack(source: PackSource | URL, options: UnpackOptions = {}): Promise<UnpackResult> {
  const from = sourceOf(source)
  const checked = checkedOptions(options, unpackRules)
  refuseWritesOnWindows()
  return withPack(from, checked, (pack) =>
    withUnseenTold(options.files ?? localHostFiles, (files) => unpackFiles(files, pack, from, checked)),
  )
}

/** Read the manifest of a pack, and nothing else. @throws UmlcowError as `unpack` */
export async function listPack(source: PackSource | URL, options: ReadPackOptions = {}): Promise<PackContents> {
  const checked = checkedOptions(options, readPackRules)
  return withPack(sourceOf(source), checked, async ({ members }) => ({ members, warnings: [] }))
}

/** Read a whole pack and check the digest of every file. @throws UmlcowError as `unpack` */
export async function verifyPack(source: PackSource | URL, options: ReadPackOptions = {}): Promise<PackContents> {
  const checked = checkedOptions(options, readPackRules)
  return withPack(sourceOf(source), checked, async (pack) => {
    await copyAll(pack, null, checked)
    return { members: pack.members, warnings: [] }
  })
}

function sourceOf(source: PackSource | URL): PackSource {
  return typeof source === 'object' && 'bytes' in source ? source : textPath('source', source)
}

async function withPack<T>(
  source: PackSource,
  options: ReadPackOptions,
  run: (pack: OpenPack) => Promise<T>,
): Promise<T> {
  const pack = await openPack(source, options)
  try {
    return await run(pack)
  } finally {
    await pack.close()
  }
}

/** Check all files of a pack, and write them. @param begin  makes the place for a file; null to check only */
async function copyAll(
  pack: OpenPack,
  begin: ((index: number) => Promise<WrittenFile>) | null,
  options: ReadPackOptions,
) {
  const written: WrittenFile[] = []
  const total = pack.members.reduce((sum, { size }) => sum + size, 0)
  const report = progressReporter(options, total, begin === null ? 'verify' : 'unpack')
  let done = 0
  const digests = new StreamDigests()
  try {
    for await (const file of pack.files()) {
      const pace = createCopyPace(options.signal, (position) => report?.(done + position))
      const target = begin === null ? null : await begin(written.length)
      await copyMember(file, digests.begin(file.member.size), target?.store ?? null, pace, pack.name)
      if (target !== null) written.push(target)
      done += file.member.size
    }
  } finally {
    await digests.close()
  }
  report?.(total)
  return written
}

async function unpackFiles(
  files: HostFiles,
  pack: OpenPack,
  source: PackSource,
  options: UnpackOptions,
): Promise<UnpackResult> {
  const { directory = '.', dryRun = false } = options
  await refuseNoDirectory(files, directory)
  const outside = await findOutside(files, pack.members, directory, options)
  const needed = [...outside.values()].map(({ facts }) => facts)
  if (typeof source === 'string') needed.push(await files.stat(source))
  const places = await guardPlaces(files, directory, pack.members, needed, options)
  if (dryRun) {
    const planned = pack.members.map((member, i) => ({ member, path: places[i]!.path, mtime: null, backingPath: null }))
    return { directory, files: planned, dryRun, warnings: [] }
  }
  const made = new NewFiles(files)
  try {
    const begin = async (i: number) => beginOne(made, pack.members[i]!, places[i]!)
    const written = await copyAll(pack, begin, options)
    const { finished, warnings } = await complete(files, written, outside, options)
    await made.place(options.signal, options.noSync === true)
    return { directory, files: finished, dryRun, warnings }
  } finally {
    await made.close()
  }
}

async function beginOne(made: NewFiles, member: PackMember, place: NewFileTarget): Promise<WrittenFile> {
  return { member, path: place.path, store: await made.begin(place) }
}

/** Find the backing files that the pack lacks, before anything is written. */
async function findOutside(
  files: HostFiles,
  members: readonly PackMember[],
  directory: string,
  options: UnpackOptions,
): Promise<Map<PackMember, FoundBacking>> {
  const finder = new BackingFinder(files, directory, options)
  const found = new Map<PackMember, FoundBacking>()
  for (const member of members) {
    if (member.overlay === null || member.overlay.backing.isIncluded) continue
    found.set(member, await finder.find(member.name, member.overlay))
  }
  return found
}

/** Complete the files: backing files come before their overlays, whose headers then get the mtimes that they have. */
async function complete(
  files: HostFiles,
  written: readonly WrittenFile[],
  outside: ReadonlyMap<PackMember, FoundBacking>,
  options: UnpackOptions,
): Promise<{ finished: UnpackedFile[]; warnings: string[] }> {
  const finished: UnpackedFile[] = []
  const warnings: string[] = []
  const places = new Map<string, BackingPlace>()
  for (const file of written) {
    const { member, path, store } = file
    let backingPath: Buffer | null = null
    if (member.overlay !== null && !options.keepHeaders) {
      const found = outside.get(member)
      const backing =
        found === undefined ? places.get(keyOf(member.overlay.backing)) : { path: found.path, mtime: found.facts.mtime }
      if (backing === undefined) throw new Error('unreachable: a backing file comes before its overlay')
      const moved = await relocate(files, file, backing, options)
      backingPath = moved.backingPath
      if (moved.warning !== null) warnings.push(moved.warning)
    }
    const mtime = await finishFile(files, file, options.noSync === true)
    if (mtime !== 'nanoseconds') warnings.push(`${printablePath(path)}: ${mtimeLoss[mtime]}`)
    places.set(keyOf(member), { path, mtime: files.statOpen(store).mtime })
    finished.push({ member, path, mtime, backingPath })
  }
  return { finished, warnings }
}

function keyOf({ name }: { readonly name: Uint8Array }): string {
  return Buffer.from(name).toString('latin1')
}

const mtimeLoss = {
  microseconds: 'its modification time is exact to the microsecond only: this host has no touch that sets nanoseconds',
  seconds: 'its modification time is exact to the second only: the file system stores no more',
  none: 'the file system cannot store its modification time',
} as const
