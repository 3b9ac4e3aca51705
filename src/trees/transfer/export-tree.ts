import { gatherBytes } from '../../bytes/gather.js'
import { orInterrupted, throwIfAborted, UmlcowError } from '../../errors.js'
import { serializeExclusion } from '../../formats/squashfs-pseudo/index.js'
import { type HostFiles, localHostFiles } from '../../machine/host-files.js'
import { checkedOptions } from '../../machine/option-rules.js'
import { type OutputTarget, withOutput } from '../../machine/output-target.js'
import { withUnseenTold } from '../../machine/processes/unseen-users.js'
import type { OutputStream } from '../../machine/streams/output-stream.js'
import { writeNewFile } from '../../machine/write-new-file.js'
import { type BlockStore, isSyncStore, writeExact, writeExactNow } from '../../stores/block-store.js'
import { streamKinds } from '../kinds/table.js'
import type { SourceItem, TreeSource } from '../source/tree-source.js'
import { createWarnings } from '../warnings.js'
import { itemCounter } from './count-items.js'
import { assertSource, type ExportOptions, type ExportResult, exportRules } from './export-options.js'
import { entryCheck, type GuardedOutput, guardOutput, refuseSamePlace } from './guard-output.js'

/** Only the owner may read the archive: it holds files that other users cannot read. */
const permissions = 0o600

/**
 * Write a tree as a stream in one of the formats, into a new file or a stream. It looks at the whole tree first, and
 * reports damage and names that do not fit the format before it writes a byte. It ends and destroys streams as `merge`
 * does.
 *
 * @throws UmlcowError SAME_FILE, TARGET_…, IN_USE, ENTRY_UNFIT, INPUT_CHANGED, INTERRUPTED, and the errors of the
 *         source. An error leaves no new file, not even a part of it.
 */
export async function exportTree(
  source: TreeSource,
  target: OutputTarget | URL | OutputStream,
  options: ExportOptions,
): Promise<ExportResult> {
  assertSource(source)
  const checked = checkedOptions(options, exportRules)
  const what = streamKinds[checked.format].sink.isText ? null : 'an archive'
  return withOutput(target, { what, signal: checked.signal }, (place) =>
    withUnseenTold(options.files ?? localHostFiles, (files) => exportStream(files, source, place, checked)),
  )
}

async function exportStream(
  files: HostFiles,
  source: TreeSource,
  target: OutputTarget,
  options: ExportOptions,
): Promise<ExportResult> {
  const { format, excludeFile = null, dryRun = false } = options
  if (excludeFile !== null && format !== 'squashfs') throw new UmlcowError('USAGE', 'only squashfs has an exclude file')
  throwIfAborted(options.signal)
  const output = await guardOutput(files, source, target, options)
  const exclusions = excludeFile === null ? null : await guardOutput(files, source, excludeFile, options)
  if (exclusions !== null) await refuseSamePlace(files, output, exclusions)
  const { sink } = streamKinds[format]
  const check = entryCheck(exclusions === null ? [output] : [output, exclusions], options)
  const survey = await source.survey({ check, content: sink.hasContent, attributes: sink.isCopy })
  const warnings = createWarnings(source.warnings)
  const result = { format, target: typeof target === 'string' ? target : null, ...survey, excludeFile, dryRun }
  if (dryRun) return { ...result, written: null, warnings: warnings.list() }

  const counter = itemCounter(survey, sink.hasContent, options)
  const items = source.items({ ...counter, content: sink.hasContent })
  const bytes = sink.write(options.noSockets ? withoutSockets(items) : items, { onWarning: warnings.add })
  const pipe = typeof target === 'string' ? null : target.pipe
  let written = 0
  const writeTree = async () => {
    written = await writeOutput(files, output, pipe, bytes, options)
    counter.finish()
  }
  if (exclusions === null) await writeTree()
  else await writeBoth(files, output, exclusions, exclusionsOf(source), writeTree, options)
  return { ...result, written, warnings: warnings.list() }
}

/** Write the tree and the exclusions, both or none. The exclusions get their name after the tree has its own. */
async function writeBoth(
  files: HostFiles,
  output: GuardedOutput,
  exclusions: GuardedOutput,
  lines: AsyncIterable<Uint8Array>,
  writeTree: () => Promise<void>,
  options: ExportOptions,
): Promise<void> {
  let isWritten = false
  const writeNext = async () => {
    await writeTree()
    isWritten = true
  }
  try {
    await writeOutput(files, exclusions, null, gatherBytes(lines), options, writeNext)
  } catch (error) {
    if (isWritten && output.place?.existing === null) await files.unlink(output.place.path)
    throw error
  }
}

/**
 * Write bytes to an output.
 *
 * @param next  called after the bytes are written, and before a new file gets its name
 * @returns     the number of bytes
 */
async function writeOutput(
  files: HostFiles,
  { place }: GuardedOutput,
  pipe: BlockStore | null,
  bytes: AsyncIterable<Uint8Array>,
  { noSync, signal }: ExportOptions,
  next?: () => Promise<void>,
): Promise<number> {
  if (pipe !== null) return await writeAll(bytes, pipe, signal)
  if (place === null) throw new Error('unreachable: a path has a place')
  let written = 0
  await writeNewFile(files, place, { permissions, noSync, signal }, async (store) => {
    written = await writeAll(bytes, store, signal)
    await next?.()
  })
  return written
}

/** Write all pieces in turn. The source rests between its items and pieces, so that signals get through. */
async function writeAll(
  bytes: AsyncIterable<Uint8Array>,
  store: BlockStore,
  signal: AbortSignal | undefined,
): Promise<number> {
  let offset = 0
  for await (const piece of bytes) {
    if (isSyncStore(store)) writeExactNow(store, offset, piece)
    else await orInterrupted(writeExact(store, offset, piece), signal)
    offset += piece.length
  }
  return offset
}

async function* withoutSockets(items: AsyncIterable<SourceItem>): AsyncGenerator<SourceItem> {
  for await (const item of items) if (item.entry.type !== 'socket') yield item
}

/** List the names that are another type in the tree: mksquashfs must not take them from there. */
async function* exclusionsOf(source: TreeSource): AsyncGenerator<Uint8Array> {
  for await (const { entry, hostType } of source.items()) {
    if (hostType !== null && entry.type !== hostType) yield serializeExclusion(entry.path)
  }
}
