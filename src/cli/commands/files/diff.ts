import type { Command } from 'commander'
import { concatBytes, latin1Bytes } from '../../../bytes/fast.js'
import { hasCode, UmlcowError } from '../../../errors.js'
import type { ComparedRange } from '../../../images/compare-ranges.js'
import { type DiffOptions, diffFiles, diffRanges, type FileDiff } from '../../../verbs/diff/index.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../../context.js'
import { exitStatus } from '../../exit-status.js'
import { addFileSystemOptions, addJsonOptions, type FileSystemFlags, fileSystemFlags } from '../../options.js'
import { printPieces } from '../../print-pieces.js'
import {
  changeLine,
  diffStatText,
  fileDiffDocument,
  fromRoot,
  patchHeading,
  rangeLines,
  rangesJson,
} from '../../reports/diff.js'

interface Flags extends CommonFlags, FileSystemFlags {
  readonly files?: boolean
  readonly ranges?: boolean
  readonly stat?: boolean
  readonly nameOnly?: boolean
  readonly null?: boolean
  readonly content?: boolean
  readonly atime?: boolean
}

export function configureDiff(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image> [new]')
    .description(
      'Show the files that an overlay changed: what differs between it and its backing file. With two images, show what ' +
        'differs between them. The file system is ext2, ext3 or ext4; nothing is mounted, and umlcow reads only what ' +
        'may have changed. Letters: A added, D deleted, M modified, m metadata, R renamed, L linked, U unlinked, ' +
        'T another type, V the same content in other blocks.',
    )
    .option('--files', 'show the files that differ (default, if there is a file system that umlcow reads)')
    .option(
      '--ranges',
      'show the bytes of the image that differ, and those that an overlay stores although they do not',
    )
    .option('--stat', 'show what the changed blocks are for, and how many bytes of each')
    .option('--name-only', 'show the paths only')
    .option('-0, --null', 'with --name-only: print paths as they are, each with a NUL byte at its end')
    .option('--content', 'show the lines of text files that differ, up to 1 MiB for each file')
    .option('--atime', 'count a change of the access time or the change time of a file as a change')
  addFileSystemOptions(addJsonOptions(command))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow diff cow.node0\n  umlcow diff --content cow.node0\n  umlcow diff --name-only -0 cow.node0 | ' +
      'xargs -0n1\n  umlcow diff --stat before.img after.img\n\nExit status: 0 no differences, 1 differences, 2 failed, ' +
      '63 nothing to compare with, or with --files no file system that umlcow reads, 64 wrong usage.',
  )
  command.action(async (first: string, second: string | undefined, flags: Flags) => {
    refuseTogether(flags)
    const options: DiffOptions = {
      ...fileSystemFlags(flags),
      old: second === undefined ? undefined : first,
      atime: flags.atime,
      signal: context.signal,
    }
    const path = second ?? first
    const differs = flags.ranges
      ? await showRanges(context, path, options, flags)
      : await showFiles(context, path, options, flags)
    finish(differs ? exitStatus.different : exitStatus.done)
  })
}

function refuseTogether(flags: Flags): void {
  const chosen = (['ranges', 'stat', 'nameOnly', 'content'] as const).filter((name) => flags[name])
  if (chosen.length > 1) throw new UmlcowError('USAGE', 'give one of --ranges, --stat, --name-only and --content')
  if (flags.ranges && flags.files) throw new UmlcowError('USAGE', 'give one of --files and --ranges')
  if (flags.null && !flags.nameOnly) throw new UmlcowError('USAGE', '--null is for --name-only')
  const isUnread = flags.ranges && (flags.replay === false || flags.atime)
  if (isUnread)
    throw new UmlcowError('USAGE', '--ranges reads no file system: it does not support --no-replay and --atime')
  const isText = flags.nameOnly || flags.content
  if (wantsJson(flags) && isText) throw new UmlcowError('USAGE', '--json does not support --name-only and --content')
}

/** @returns true when there are differences */
async function showFiles(context: CliContext, path: string, options: DiffOptions, flags: Flags): Promise<boolean> {
  let diff: FileDiff
  try {
    diff = await diffFiles(path, options)
  } catch (error) {
    const isExplicit = flags.files || flags.stat || flags.nameOnly || flags.content
    if (!hasCode(error, 'FS_UNKNOWN') || isExplicit) throw error
    context.warn(`${(error as Error).message}; these are the bytes that differ`)
    return showRanges(context, path, options, flags)
  }
  try {
    for (const note of diff.notes) context.warn(note)
    if (wantsJson(flags)) await context.printJson(fileDiffDocument(diff))
    else if (flags.stat) await context.print(diffStatText(diff))
    else if (flags.nameOnly) await printNames(context, diff, flags.null === true)
    else if (flags.content) await printContent(context, diff)
    else await context.print(diff.changes.map((change) => `${changeLine(change)}\n`).join(''))
    // As diff(1): without output there are no differences.
    return flags.stat ? diff.changedLength > 0 : diff.changes.length > 0 || diff.kind === 'new'
  } finally {
    await diff.close()
  }
}

async function printNames(context: CliContext, { changes }: FileDiff, endsWithNul: boolean): Promise<void> {
  if (!endsWithNul)
    return context.print(changes.map((change) => `${changeLine(change, { isNameOnly: true })}\n`).join(''))
  await context.printBytes(concatBytes(changes.flatMap(({ path }) => [fromRoot(path), Uint8Array.of(0)])))
}

async function printContent(context: CliContext, diff: FileDiff): Promise<void> {
  for (const change of diff.changes) {
    const patch = await diff.patch(change)
    await context.print(patchHeading(change, patch))
    if (patch !== null) await context.printBytes(latin1Bytes(patch.text))
  }
}

async function showRanges(context: CliContext, path: string, options: DiffOptions, flags: Flags): Promise<boolean> {
  const diff = await diffRanges(path, options)
  let changedLength = 0
  async function* counted(): AsyncGenerator<ComparedRange> {
    for await (const range of diff.ranges) {
      if (!range.isSame) changedLength += range.end - range.start
      yield range
    }
  }
  try {
    await printPieces(context, wantsJson(flags) ? rangesJson(diff.virtualSize, counted()) : rangeLines(counted()))
    return changedLength > 0
  } finally {
    await diff.close()
  }
}
