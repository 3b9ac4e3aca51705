import type { Command } from 'commander'
import { printablePath } from '../../../bytes/escape.js'
import { formatSize } from '../../../bytes/size-text.js'
import { hasCode, UmlcowError } from '../../../errors.js'
import { standardOutput } from '../../../machine/stores/standard-output.js'
import { imageForceWords } from '../../../trees/kinds/image/source.js'
import { streamKinds } from '../../../trees/kinds/table.js'
import type { ExportResult } from '../../../trees/transfer/export-options.js'
import { archiveFiles, type ImageArchive } from '../../../verbs/extract/archive-files.js'
import { type CliContext, type CommonFlags, type Finish, ReaderGone, wantsJson } from '../../context.js'
import { exitStatus } from '../../exit-status.js'
import {
  addFileSystemOptions,
  addJsonOptions,
  addProgressOptions,
  type FileSystemFlags,
  fileSystemFlags,
} from '../../options.js'
import { withProgress } from '../../progress.js'
import { jsonPath } from '../../reports/backing.js'

/** The flags of verbs that write an archive of files of an image. */
export interface ArchiveFlags extends CommonFlags, FileSystemFlags {
  readonly file?: string
  readonly overwrite?: boolean
  readonly sockets?: boolean
  readonly dryRun?: boolean
  readonly sync: boolean
}

const description =
  'Write files of an image, and all that lies below them, as a tar archive (pax), to standard output or a new file. ' +
  'IMAGE is a raw image, an overlay or a qcow2 image with an ext2, ext3 or ext4 file system. PATH is a path in it; ' +
  'default: the whole file system. The archive has the true owners, devices, hard links, times, extended attributes, ' +
  'ACLs and holes; this needs no root and no mount. The same image gives the same bytes.'

export function configureTar(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image> [path...]')
    .description(description)
    .option('-o, --file <out>', 'write the archive to this new file, not to standard output')
    .option('--overwrite', 'replace the file OUT')
    .option('--no-sync', 'skip every fsync')
    .option('-n, --dry-run', 'look at all files, write nothing')
  addProgressOptions(addJsonOptions(addFileSystemOptions(command, imageForceWords)))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow tar cow.node0 /etc /home | tar -tv\n  umlcow tar --partition 1 -o root.tar debian.img\n\n' +
      'Exit status: 0 done, 1 failed, 4 refused, nothing was written, 63 no file system that umlcow reads, 64 wrong ' +
      'usage.',
  )
  command.action(async (image: string, paths: string[], flags: ArchiveFlags) => {
    await runArchive('tar', image, paths, flags, context)
    finish(exitStatus.done)
  })
}

/** Write an archive, and report it. */
export async function runArchive(
  format: ImageArchive,
  image: string,
  paths: readonly string[],
  flags: ArchiveFlags,
  context: CliContext,
): Promise<void> {
  const { file = '-', overwrite, sockets = true, dryRun, sync } = flags
  const isPipe = file === '-'
  if (isPipe && wantsJson(flags)) {
    throw new UmlcowError('USAGE', 'standard output cannot take both the archive and JSON: name a file with -o')
  }
  if (isPipe && overwrite) throw new UmlcowError('USAGE', '--overwrite needs -o FILE')
  const { signal } = context
  const result = await withProgress(flags, isPipe || wantsJson(flags), ({ onProgress }) => {
    const what = streamKinds[format].sink.isText ? null : 'an archive'
    const common = { overwrite, noSockets: !sockets, dryRun, noSync: !sync, signal, onProgress }
    const source = { ...fileSystemFlags(flags), paths }
    return archiveFiles(image, isPipe ? standardOutput(what) : file, { ...source, ...common, format })
  }).catch((error: unknown) => {
    throw isPipe ? withIncompleteOutput(error) : error
  })
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result, image))
  else if (!isPipe && !flags.quiet) await context.printDone(text(result))
}

/** The reader of standard output must not take the part that it got for a whole archive. */
function withIncompleteOutput(error: unknown): unknown {
  if (hasCode(error, 'EPIPE')) return new ReaderGone()
  if (!hasCode(error, 'INTERRUPTED')) return error
  const hint = 'standard output got only a part of the archive'
  return new UmlcowError('INTERRUPTED', 'stopped', { hint, cause: error })
}

/** Schema: docs/schema/tar.json */
function document(result: ExportResult, image: string): unknown {
  return {
    image: jsonPath(image),
    format: result.format,
    filename: jsonPath(result.target!),
    entries: result.entries,
    'file-bytes': result.size,
    bytes: result.written,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function text({ target, format, entries, written, dryRun }: ExportResult): string {
  const size = written === null ? '' : `, ${formatSize(written)}`
  return `${printablePath(target!)}: ${dryRun ? 'would be ' : ''}${format} of ${entries} entries${size}\n`
}
