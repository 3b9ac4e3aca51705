import { type Command, Option } from 'commander'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { type ImageSourceOptions, imageForceWords } from '../../trees/kinds/image/source.js'
import { duplicateRules } from '../../trees/new-tree/tree-plan.js'
import { importHumfs } from '../../trees/transfer/import-humfs.js'
import { type ImportFormat, type ImportHumfsResult, importFormats } from '../../trees/transfer/import-options.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { humfsSize } from '../humfs-size.js'
import { importMistake } from '../mistakes/humfs-mistakes.js'
import {
  addFileSystemOptions,
  addJsonOptions,
  addProgressOptions,
  type FileSystemFlags,
  fileSystemFlags,
} from '../options.js'
import { withProgress } from '../progress.js'

interface Flags extends CommonFlags, FileSystemFlags {
  readonly from: ImportFormat
  readonly tree?: string
  readonly size?: string
  readonly owner?: string
  readonly group?: string
  readonly renameMetadata?: string
  readonly duplicates?: 'last' | 'refuse'
  readonly dryRun?: boolean
  readonly sync: boolean
}

const description =
  'Make a humfs tree from an archive. DIR gets data/, the metadata and a superblock; it must not exist, or be empty. ' +
  'This needs no root: owners, modes and devices go into the metadata. If INPUT is "-", umlcow reads standard input. ' +
  'It reads a file to its end before it makes anything. DIR appears complete or not at all. mtree text, save files ' +
  'of fakeroot and pseudo files for mksquashfs hold no content: name the directory with the files by --tree. The ' +
  'pseudo file that "unsquashfs -pf FILE IMAGE" writes holds it, and needs no --tree. With directory, 9p and humfs, ' +
  'INPUT is the directory of the tree. With image, INPUT is a raw image, an overlay or a qcow2 image with an ext2, ' +
  'ext3 or ext4 file system; -b, --chain, --partition, --no-replay and --force are for it. Without DIR, only --dry-run works. A dry run reads no content, ' +
  'so it does not check digests in mtree text.'

export function configureHumfsImport(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<input> [dir]')
    .description(description)
    .addOption(new Option('--from <format>', 'what INPUT is').choices(importFormats).makeOptionMandatory())
    .option('--tree <dir>', 'mtree, fakeroot, squashfs: the directory with the files')
    .option('--size <size>', 'the size that the guest sees, also with K, M, G or T; default: twice the used size')
    .option('--owner <user>', 'as root: the user who will own the files, a name or number; default: you')
    .option('--group <group>', 'as root: the group of the files; default: yours')
    .option('--rename-metadata <suffix>', 'append this to the names of directories called "metadata"')
    .addOption(
      new Option(
        '--duplicates <rule>',
        'when a name comes twice: take the "last" entry (the default), or "refuse"',
      ).choices(duplicateRules),
    )
    .option('--no-sync', 'skip every fsync')
    .option('-n, --dry-run', 'check everything, make nothing')
  addProgressOptions(addJsonOptions(addFileSystemOptions(command, imageForceWords)))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow humfs import --from tar --size 4G root.tar tree\n  zcat root.tar.gz | umlcow humfs ' +
      'import --from tar - tree\n  unsquashfs -pf root.pf root.img && umlcow humfs import --from squashfs root.pf ' +
      'tree\n\nExit status: 0 done, 1 failed (no file was left behind), 4 refused, nothing was ' +
      'made, 63 another format, 64 wrong usage.',
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
    throw new UmlcowError('USAGE', 'humfs import needs INPUT and the directory to make, or --dry-run')
  }
  const { from, tree, owner, group, renameMetadata, duplicates, dryRun, sync } = flags
  const size = flags.size === undefined ? undefined : humfsSize(flags.size)
  const source = input === '-' ? standardInput() : input
  const { signal } = context
  const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    importHumfs(source, directory ?? null, {
      from,
      image: imageOptions(flags),
      tree,
      size,
      owner,
      group,
      renameMetadata,
      duplicates,
      dryRun,
      noSync: !sync,
      signal,
      onProgress,
    }),
  ).catch(async (error: unknown) => {
    throw directory === undefined ? error : await importMistake(error, from, input, directory)
  })
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result))
  else if (!flags.quiet) await context.printDone(text(result))
}

/** The options of `--from image`. @throws UmlcowError USAGE for one with another input */
function imageOptions(flags: Flags): ImageSourceOptions | undefined {
  const { from, backing, backingRoot, chain, partition, replay, force } = flags
  if (from === 'image') return fileSystemFlags(flags)
  const noReplay = replay === false ? true : undefined
  const given = { backing, 'backing-root': backingRoot, chain, partition, 'no-replay': noReplay, force }
  const foreign = Object.entries(given).find(([, value]) => value !== undefined)
  if (foreign !== undefined) throw new UmlcowError('USAGE', `--from ${from} does not support --${foreign[0]}`)
  return undefined
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
  if (used === null || total === null) return `humfs can hold all ${entries} entries\n`
  return `${directory}: humfs of ${uid}:${gid}, ${entries} entries, ${formatSize(used)} of ${formatSize(total)} used\n`
}
