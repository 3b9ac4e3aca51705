import { type Command, Option } from 'commander'
import { printablePath } from '../../../bytes/escape.js'
import { formatSize } from '../../../bytes/size-text.js'
import { UmlcowError } from '../../../errors.js'
import { imageForceWords } from '../../../trees/kinds/image/source.js'
import { type ImageArchive, imageArchives } from '../../../verbs/extract/archive-files.js'
import { type ExtractResult, extractFiles } from '../../../verbs/extract/extract-files.js'
import { type CliContext, type Finish, wantsJson } from '../../context.js'
import { exitStatus } from '../../exit-status.js'
import { addFileSystemOptions, addJsonOptions, addProgressOptions, fileSystemFlags } from '../../options.js'
import { withProgress } from '../../progress.js'
import { jsonPath } from '../../reports/backing.js'
import { type ArchiveFlags, runArchive } from './tar.js'

interface Flags extends ArchiveFlags {
  readonly directory?: string
  readonly to?: ImageArchive
}

const description =
  'Copy files of an image, and all that lies below them, to a directory. IMAGE is a raw image, an overlay or a qcow2 ' +
  'image with an ext2, ext3 or ext4 file system. Each PATH gets its last name in DIR; the name must be free. Without ' +
  'PATH, the whole file system becomes DIR, which must be new or empty. All of this appears complete, or nothing. The ' +
  'work directory .umlcow-new-NAME is beside what it makes: without PATH, beside DIR. Holes stay. Root gives the ' +
  'files their owners, modes and attributes, and makes ' +
  'devices; other users get what they can make, and the rest is reported. With --to, the files go into an archive or ' +
  'a manifest that has all of this.'

export function configureExtract(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image> [path...]')
    .description(description)
    .option('-C, --directory <dir>', 'where the files go; default: the current directory')
    .addOption(
      new Option('--to <format>', 'write an archive or a manifest, no files')
        .choices(imageArchives)
        .conflicts('directory'),
    )
    .option('-o, --file <out>', '--to: write to this new file, not to standard output')
    .option('--overwrite', '--to: replace the file OUT')
    .option('--no-sockets', '--to: leave sockets out: bsdtar cannot read them in mtree text')
    .option('--no-sync', 'skip every fsync')
    .option('-n, --dry-run', 'look at all files, make nothing')
  addProgressOptions(addJsonOptions(addFileSystemOptions(command, imageForceWords)))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow extract -C exam cow.node0 /home/student\n  umlcow extract -C new-tree root_fs\n  umlcow extract ' +
      '--to cpio -o boot.cpio root_fs /boot\n\nExit status: 0 done, 1 failed (no file was left behind), 4 refused, ' +
      'nothing was made, 63 no file system that umlcow reads, 64 wrong usage.',
  )
  command.action(async (image: string, paths: string[], flags: Flags) => {
    if (flags.to === undefined) await run(image, paths, flags, context)
    else await runArchive(flags.to, image, paths, flags, context)
    finish(exitStatus.done)
  })
}

async function run(image: string, paths: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const { directory = '.', file, overwrite, sockets, dryRun, sync } = flags
  const foreign = Object.entries({ file, overwrite, 'no-sockets': sockets === false ? true : undefined })
  const given = foreign.find(([, value]) => value !== undefined)
  if (given !== undefined) throw new UmlcowError('USAGE', `--${given[0]} needs --to`)
  const { signal } = context
  const source = { ...fileSystemFlags(flags), paths }
  const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    extractFiles(image, directory, { ...source, dryRun, noSync: !sync, signal, onProgress }),
  )
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result, image))
  else if (!flags.quiet) await context.printDone(text(result))
}

/** Schema: docs/schema/extract.json */
function document({ losses, ...result }: ExtractResult, image: string): unknown {
  return {
    image: jsonPath(image),
    directory: result.directory,
    made: result.made,
    entries: result.entries,
    'file-bytes': result.size,
    losses,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function text({ made, entries, size, dryRun }: ExtractResult): string {
  if (made.length === 0) return 'nothing to make\n'
  const places = made.map((place) => printablePath(place)).join(', ')
  return `${places}: ${dryRun ? 'would get ' : ''}${entries} entries, ${formatSize(size)}\n`
}
