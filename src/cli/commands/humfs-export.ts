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
  'Write the tree that DIR holds, by default the humfs tree in the current directory, into OUTPUT, a new file, or to ' +
  'standard output when OUTPUT is "-": with the owners, modes and devices that its metadata says, and no root. The whole ' +
  'tree is looked at first; what is damaged, or does not fit the format, is told before anything is written. tar and cpio ' +
  'hold all of it. The others go with the files as they lie in data/: mtree for "bsdtar -cf NEW @OUTPUT" in data/, fakeroot ' +
  'for "fakeroot -i OUTPUT", squashfs for "mksquashfs data NEW -pf OUTPUT". directory makes a plain tree, of which root gets ' +
  "all and others what is theirs; 9p a tree for QEMU's 9p server with security_model=mapped-file."

export function configureHumfsExport(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<output> [dir]')
    .description(description)
    .addOption(new Option('--to <format>', 'what to write').choices(written).makeOptionMandatory())
    .addOption(
      new Option('--from <kind>', "what DIR is: a humfs tree, any directory, or a mapped-file tree of QEMU's 9p server")
        .choices(treeFormats)
        .default('humfs'),
    )
    .option('--no-sockets', 'leave sockets out, as tar does anyway: bsdtar reads none in mtree text')
    .option('--exclude-file <file>', 'squashfs: a new file for "mksquashfs -ef", which devices and sockets take')
    .option('--overwrite', 'replace OUTPUT, unless it is in the tree')
    .option('--no-sync', 'skip every sync of the disk')
    .option('-n, --dry-run', 'look at everything, write nothing')
  addProgressOptions(addForceOption(addJsonOptions(command), ['in-use']))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow humfs export --to tar root.tar\n  umlcow humfs export --to cpio - /srv/uml/root | gzip > root.cpio.gz\n' +
      '  umlcow humfs export --to squashfs --exclude-file root.ef root.pf && mksquashfs data root.img -pf root.pf -ef root.ef\n' +
      '\nExit status: 0 done, 1 failed, 4 refused and nothing written, 63 no humfs tree, 64 wrong usage.',
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
  }).catch((error: unknown) => {
    throw isPipe ? withIncompleteOutput(error) : error
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
  if (flags.to !== 'squashfs') throw new UmlcowError('USAGE', `--exclude-file goes with --to squashfs, not ${flags.to}`)
  if (flags.excludeFile === output) throw new UmlcowError('USAGE', '--exclude-file and OUTPUT are the same file')
}

function refuseWithTree(format: WrittenTree, output: string, { overwrite, force, sockets }: Flags): void {
  if (output === '-') throw new UmlcowError('USAGE', `--to ${format} makes a directory, and needs a name for it`)
  const foreign = overwrite ? '--overwrite' : force !== undefined ? '--force' : sockets ? null : '--no-sockets'
  if (foreign !== null) throw new UmlcowError('USAGE', `--to ${format} goes without ${foreign}`)
}

/** What a reader of standard output got so far must not pass for all. */
function withIncompleteOutput(error: unknown): unknown {
  if (!hasCode(error, 'INTERRUPTED')) return error
  const hint = 'what went to standard output is a part only'
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
