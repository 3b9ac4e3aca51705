import { type Command, Option } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { hasCode, UmlcowError } from '../../errors.js'
import type { ForceWord } from '../../machine/findings.js'
import { standardOutput } from '../../machine/stores/standard-output.js'
import {
  isWrittenTree,
  type StreamFormat,
  streamFormats,
  streamKinds,
  type TreeFormat,
  treeFormats,
  treeKinds,
  type WrittenTree,
  writtenTrees,
} from '../../trees/kinds/table.js'
import type { ExportResult } from '../../trees/transfer/export-options.js'
import { exportToTree } from '../../trees/transfer/export-to-tree.js'
import { exportTree } from '../../trees/transfer/export-tree.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { exportMistake } from '../mistakes/humfs-mistakes.js'
import { addForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import { withProgress } from '../progress.js'

const written = [...streamFormats, ...writtenTrees]

interface Flags extends CommonFlags {
  readonly to: StreamFormat | WrittenTree
  readonly from: TreeFormat
  readonly excludeFile?: string
  readonly sockets: boolean
  readonly overwrite?: boolean
  readonly force?: ForceWord[]
  readonly dryRun?: boolean
  readonly sync: boolean
}

const description =
  'Write the tree in DIR to OUTPUT, a new file, or to standard output if OUTPUT is "-". DIR is the current directory ' +
  'by default, and holds a humfs tree. The archive has the owners, modes and devices from the metadata; this needs ' +
  'no root. umlcow first reads the whole tree, and reports everything that is damaged or does not fit the format ' +
  'before it writes. tar and cpio hold the whole tree. The next three need the files in data/, too: use mtree with ' +
  '"bsdtar -cf NEW @OUTPUT" in data/, fakeroot with "fakeroot -i OUTPUT", squashfs with "mksquashfs data NEW -pf ' +
  'OUTPUT". directory makes a plain tree; only root can give its files their owners and make its devices. 9p makes a ' +
  "tree for QEMU's 9p server with security_model=mapped-file."

export function configureHumfsExport(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<output> [dir]')
    .description(description)
    .addOption(new Option('--to <format>', 'what to write').choices(written).makeOptionMandatory())
    .addOption(
      new Option('--from <kind>', "what DIR is: a humfs tree, any directory, or a tree of QEMU's 9p server")
        .choices(treeFormats)
        .default('humfs'),
    )
    .option('--no-sockets', 'leave sockets out: tar always does, and bsdtar cannot read them in mtree text')
    .option(
      '--exclude-file <file>',
      'squashfs: a new file for "mksquashfs -ef"; a tree with devices or sockets needs it',
    )
    .option('--overwrite', 'replace OUTPUT, unless it is part of the tree')
    .option('--no-sync', 'skip every fsync')
    .option('-n, --dry-run', 'check everything, write nothing')
  addProgressOptions(addForceOption(addJsonOptions(command), ['in-use']))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow humfs export --to tar root.tar\n  umlcow humfs export --to cpio - /srv/uml/root | gzip ' +
      '> root.cpio.gz\n  umlcow humfs export --to squashfs --exclude-file root.ef root.pf && mksquashfs data ' +
      'root.img -pf root.pf -ef root.ef\n\nExit status: 0 done, 1 failed, 4 refused, nothing was written, 63 not a ' +
      'humfs tree, 64 wrong usage.',
  )
  command.action(async (output: string, directory: string | undefined, flags: Flags) => {
    await runExport(output, directory ?? '.', flags, context)
    finish(exitStatus.done)
  })
}

async function runExport(output: string, directory: string, flags: Flags, context: CliContext): Promise<void> {
  const { to: format, from, excludeFile, overwrite, force, dryRun } = flags
  const isPipe = output === '-'
  refuseMixed(output, flags)
  const { signal } = context
  const result = await withProgress(flags, isPipe || wantsJson(flags), async ({ onProgress }) => {
    const source = treeKinds[from].source(directory, { signal })
    const common = { dryRun, noSync: !flags.sync, signal, onProgress }
    if (isWrittenTree(format)) return exportToTree(source, output, { ...common, format })
    const target = isPipe ? standardOutput(streamKinds[format].sink.isText ? null : 'an archive') : output
    const noSockets = !flags.sockets
    return exportTree(source, target, { ...common, format, excludeFile, overwrite, force, noSockets })
  }).catch(async (error: unknown) => {
    throw await exportMistake(isPipe ? withIncompleteOutput(error) : error, flags, output, directory)
  })
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result, directory, from))
  else if (!isPipe && !flags.quiet) await context.printDone(text(result))
}

function refuseMixed(output: string, flags: Flags): void {
  if (output === '-' && wantsJson(flags)) {
    throw new UmlcowError('USAGE', 'standard output cannot take both the archive and JSON')
  }
  if (isWrittenTree(flags.to)) refuseWithTree(flags.to, output, flags)
  if (flags.excludeFile === undefined) return
  if (flags.to !== 'squashfs') throw new UmlcowError('USAGE', `--exclude-file needs --to squashfs, not ${flags.to}`)
  if (flags.excludeFile === output) throw new UmlcowError('USAGE', '--exclude-file and OUTPUT are the same file')
}

function refuseWithTree(format: WrittenTree, output: string, { overwrite, force, sockets }: Flags): void {
  if (output === '-') throw new UmlcowError('USAGE', `--to ${format} makes a directory and needs its name, not "-"`)
  const foreign = overwrite ? '--overwrite' : force !== undefined ? '--force' : sockets ? null : '--no-sockets'
  if (foreign !== null) throw new UmlcowError('USAGE', `--to ${format} does not support ${foreign}`)
}

/** The reader of standard output must not take the part that it got for a whole archive. */
function withIncompleteOutput(error: unknown): unknown {
  if (!hasCode(error, 'INTERRUPTED')) return error
  const hint = 'standard output got only a part of the archive'
  return new UmlcowError('INTERRUPTED', 'stopped', { hint, cause: error })
}

/** Schema: docs/schema/humfs-export.json */
function document(result: ExportResult, directory: string, from: string): unknown {
  return {
    directory,
    from,
    format: result.format,
    filename: result.target,
    'exclude-filename': result.excludeFile,
    entries: result.entries,
    'file-bytes': result.size,
    bytes: result.written,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function text({ target, format, entries, written, dryRun }: ExportResult): string {
  const size = written === null ? '' : `, ${formatSize(written)}`
  return `${printablePath(target ?? '-')}: ${dryRun ? 'would be ' : ''}${format} of ${entries} entries${size}\n`
}
