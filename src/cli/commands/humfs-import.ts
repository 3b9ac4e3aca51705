import { type Command, Option } from 'commander'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { type StreamFormat, streamFormats, type TreeFormat, treeFormats } from '../../trees/kinds/table.js'
import { importHumfs } from '../../trees/transfer/import-humfs.js'
import type { ImportHumfsResult } from '../../trees/transfer/import-options.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { humfsSize } from '../humfs-size.js'
import { addJsonOptions, addProgressOptions } from '../options.js'
import { withProgress } from '../progress.js'

interface Flags extends CommonFlags {
  readonly from: StreamFormat | TreeFormat
  readonly tree?: string
  readonly size?: string
  readonly owner?: string
  readonly group?: string
  readonly renameMetadata?: string
  readonly dryRun?: boolean
  readonly sync: boolean
}

const description =
  'Lay a humfs tree out of an archive: DIR is made, with data/, its metadata and a superblock, or replaced when it is empty. ' +
  'It takes no root: owners, modes and devices go into metadata. INPUT "-" is standard input. A file is looked at as a ' +
  'whole before anything is made; DIR appears whole or not at all. mtree text, a save file of fakeroot and a pseudo file of ' +
  'mksquashfs hold no content: --tree says where the files lie. directory, 9p and humfs are trees: INPUT is the directory ' +
  'that they are in. Without DIR only --dry-run works.'

export function configureHumfsImport(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<input> [dir]')
    .description(description)
    .addOption(
      new Option('--from <format>', 'what INPUT is').choices([...streamFormats, ...treeFormats]).makeOptionMandatory(),
    )
    .option('--tree <dir>', 'mtree, fakeroot, squashfs: where the files lie')
    .option('--size <size>', 'what the guest sees, with K, M, G or T; default: twice what is used')
    .option('--owner <user>', 'root: whose the files shall be, by name or number; default: yours')
    .option('--group <group>', 'the same of the group')
    .option('--rename-metadata <suffix>', 'add this to the names of directories called "metadata"')
    .option('--no-sync', 'skip every sync of the disk')
    .option('-n, --dry-run', 'look at everything, make nothing')
  addProgressOptions(addJsonOptions(command))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow humfs import --from tar --size 4G root.tar tree\n' +
      '  zcat root.tar.gz | umlcow humfs import --from tar - tree\n' +
      '\nExit status: 0 done, 1 failed (nothing was left behind), 4 refused and nothing made, 63 not that format, 64 wrong usage.',
  )
  command.action(async (input: string, directory: string | undefined, flags: Flags) => {
    await runImport(input, directory, flags, context)
    finish(exitStatus.done)
  })
}

async function runImport(
  input: string,
  directory: string | undefined,
  flags: Flags,
  context: CliContext,
): Promise<void> {
  if (directory === undefined && !flags.dryRun) {
    throw new UmlcowError('USAGE', 'humfs import takes INPUT and the directory to make, or --dry-run')
  }
  const { from, tree, owner, group, renameMetadata, dryRun, sync } = flags
  const size = flags.size === undefined ? undefined : humfsSize(flags.size)
  const source = input === '-' ? standardInput() : input
  const { signal } = context
  const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    importHumfs(source, directory ?? null, {
      from,
      tree,
      size,
      owner,
      group,
      renameMetadata,
      dryRun,
      noSync: !sync,
      signal,
      onProgress,
    }),
  )
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result))
  else if (!flags.quiet) await context.printDone(text(result))
}

function standardInput() {
  return { name: 'standard input', bytes: process.stdin }
}

/** Schema: docs/schema/humfs-import.json */
function document(result: ImportHumfsResult): unknown {
  return {
    directory: result.directory,
    format: 'humfs',
    from: result.from,
    entries: result.entries,
    used: result.used,
    total: result.total,
    uid: result.uid,
    gid: result.gid,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function text({ directory, entries, used, total, uid, gid }: ImportHumfsResult): string {
  if (used === null || total === null) return `${entries} entries, all of which humfs can hold\n`
  return `${directory}: humfs of ${uid}:${gid}, ${entries} entries, ${formatSize(used)} of ${formatSize(total)} used\n`
}
