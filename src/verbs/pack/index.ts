import { UmlcowError } from '../../errors.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { checkedOptions, textPath } from '../../machine/option-rules.js'
import { type OutputTarget, type PipeTarget, withOutput } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import { highestLevel } from '../../machine/streams/compression/compress-stream.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { writeNewFile } from '../../machine/write-new-file.js'
import { guardTarget, refuseSameFile, targetFacts } from '../../overlays/guard-target.js'
import { type PackInput, PackInputs } from './open-inputs.js'
import { type PackOptions, type PackResult, packRules } from './options.js'
import { membersOf, surveyInputs } from './survey-inputs.js'
import { startWriting, writeAround, writeInTurn } from './write-pack.js'

/**
 * Pack overlays with their backing files, and images: one compressed stream that keeps holes, modification times and
 * what belongs together. `unpack` takes it apart, and so does `lz4 -d | tar -xS`.
 *
 * It reads every file twice: for its digest, and for its data. Into a new file it does both at once. The pack appears
 * under its name whole or not at all. A stream is ended, or destroyed after a part, as `merge` does.
 *
 * @param inputs  overlays and images. The backing file of an overlay is packed, too, unless `delta` is set
 * @throws        UmlcowError SAME_FILE, TARGET_…, IN_USE, BACKING_…, ENTRY_UNFIT, INPUT_CHANGED, INTERRUPTED
 */
export async function pack(
  target: OutputTarget | URL | OutputStream,
  inputs: readonly (string | URL)[],
  options: PackOptions = {},
): Promise<PackResult> {
  const paths = inputs.map((input, i) => textPath(`inputs[${i}]`, input))
  const checked = checkedOptions(options, packRules)
  refuseLevel(checked)
  return withOutput(target, { what: 'a pack', signal: checked.signal }, (place) =>
    withUnseenTold(options.files ?? localHostFiles, (files) => packFiles(files, place, paths, checked)),
  )
}

/** @throws UmlcowError USAGE for a level that the compression does not have */
function refuseLevel({ compression = 'lz4', level }: PackOptions): void {
  const highest = highestLevel[compression]
  if (level === undefined || (compression !== 'none' && level <= highest)) return
  const have = highest === 1 ? 'has no levels' : `has levels from 1 to ${highest}`
  throw new UmlcowError(
    'USAGE',
    `level ${level}: ${compression === 'none' ? 'a pack without compression' : compression} ${have}`,
    {
      hint: highest === 1 ? 'gzip and zstd have levels: -z gzip or -z zstd' : undefined,
    },
  )
}

async function packFiles(
  files: HostFiles,
  target: OutputTarget,
  paths: readonly string[],
  options: PackOptions,
): Promise<PackResult> {
  const inputs = new PackInputs(files, options)
  try {
    await inputs.open(paths)
    return await writePack(files, target, inputs, options)
  } finally {
    await inputs.close()
  }
}

async function writePack(
  files: HostFiles,
  target: OutputTarget,
  inputs: PackInputs,
  options: PackOptions,
): Promise<PackResult> {
  const { compression = 'lz4', dryRun = false, noSync, signal } = options
  const place = await guardPlace(files, target, inputs, options)
  const surveyed = await surveyInputs(files, inputs.all, typeof target === 'string' ? target : null, options)
  const stop = new AbortController()
  const writing = startWriting(files, surveyed, { ...options, compression }, stop.signal)
  try {
    let written: number | null = null
    if (!dryRun && place === null) written = await writeInTurn(writing, (target as PipeTarget).pipe)
    else if (!dryRun && place !== null) {
      await writeNewFile(
        files,
        place,
        { permissions: permissionsOf(inputs.members), noSync, signal },
        async (store) => {
          written = await writeAround(writing, store)
        },
      )
    }
    const members = membersOf(surveyed, await writing.digests)
    const name = typeof target === 'string' ? target : null
    return { target: name, compression, members, written, dryRun, warnings: inputs.warnings }
  } finally {
    // Threads that still read end before the files are closed.
    stop.abort()
    await writing.digests.catch(() => {})
  }
}

/** Only users who can read all files can read the pack. Its owner can write it. */
function permissionsOf(members: readonly PackInput[]): number {
  return members.reduce((readable, { facts }) => readable & facts.permissions, 0o644) | 0o600
}

/** Refuse an output that is an input, or that may not be replaced. @returns null for a pipe */
async function guardPlace(files: HostFiles, target: OutputTarget, inputs: PackInputs, options: PackOptions) {
  const facts = typeof target === 'string' ? await targetFacts(files, target) : target.facts
  const name = typeof target === 'string' ? target : target.pipe.name
  for (const input of inputs.all) refuseSameFile(facts, name, input.facts, input.path)
  if (typeof target !== 'string') return null
  const { overwrite, signal, force } = options
  return guardTarget(files, target, { overwrite, signal, force })
}
