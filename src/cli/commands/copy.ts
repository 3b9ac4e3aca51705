import { type Command, Option } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { type CopyRunResult, copyFiles } from '../../verbs/copy/index.js'
import type { CopyOptions, CopyResult } from '../../verbs/copy/options.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { addForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import { withProgress } from '../progress.js'
import { jsonPath } from '../reports/backing.js'

interface Flags extends CommonFlags, Omit<CopyOptions, 'signal' | 'files' | 'onProgress' | 'noSync'> {
  readonly sync: boolean
}

const how = ['auto', 'always', 'never']

export function configureCopy(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<path...>')
    .usage('[options] <source...> <target>')
    .description(
      'Copy images, overlays or other files, and keep their holes, as cp --sparse=auto --reflink=auto does. TARGET is ' +
        'a new file, or a directory. A copy of an overlay still leads to its backing file: umlcow changes a relative ' +
        'path in its header.',
    )
    .option('-p, --preserve', 'keep the modification time, the permissions and, where allowed, the owner, as cp -p')
    .addOption(
      new Option(
        '--sparse <when>',
        'auto: holes stay holes, and zeros that umlcow reads become holes; always: all blocks of zeros become holes; ' +
          'never: the host stores every byte',
      ).choices(how),
    )
    .addOption(
      new Option(
        '--reflink <when>',
        'share the storage of SOURCE: auto: where the file system can; always: or fail; never',
      ).choices(how),
    )
    .option('--bmap <file>', 'check a raw SOURCE by this bmap file, and make holes of what lies in none of its ranges')
    .option('--keep-path', 'copy the header of an overlay as it is, with its relative path')
    .option('--overwrite', 'replace a file that exists, unless an overlay needs it or it is one')
    .option('--no-sync', 'skip every fsync, for throwaway images')
    .option('-n, --dry-run', 'check everything, write nothing')
  addForceOption(addProgressOptions(addJsonOptions(command)), ['in-use'])
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow copy root_fs root_fs.old\n  umlcow copy -p root_fs cow.node0 /srv/images/\n' +
      '\nExit status: 0 done, 1 failed (no part of a copy was left behind), 4 refused to protect data, 64 wrong usage.',
  )
  command.action(async (paths: string[], flags: Flags) => {
    const target = paths.at(-1)
    if (target === undefined || paths.length < 2) throw new UmlcowError('USAGE', 'copy needs a SOURCE and a TARGET')
    const { sparse, reflink, bmap, preserve, keepPath, overwrite, force, dryRun, sync } = flags
    const options = { sparse, reflink, bmap, preserve, keepPath, overwrite, force, dryRun, noSync: !sync }
    const { signal } = context
    const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
      copyFiles(paths.slice(0, -1), target, { ...options, signal, onProgress }),
    )
    const warnings = [...result.warnings, ...result.copies.flatMap((copy) => copy.warnings)]
    if (!flags.quiet) for (const warning of warnings) context.warn(warning)
    if (wantsJson(flags)) await context.printJsonDone(copyDocument(result))
    else if (!flags.quiet) await context.printDone(result.copies.map(copyText).join(''))
    finish(exitStatus.done)
  })
}

/** Schema: docs/schema/copy.json */
function copyDocument({ copies, dryRun, warnings }: CopyRunResult): unknown {
  return { copies: copies.map(describeCopy), 'dry-run': dryRun, warnings }
}

function describeCopy(copy: CopyResult): unknown {
  return {
    source: jsonPath(copy.source),
    filename: jsonPath(copy.target),
    format: copy.format,
    size: copy.size,
    ...(copy.allocatedSize === null ? {} : { 'actual-size': copy.allocatedSize }),
    ...(copy.copier === null ? {} : { copier: copy.copier }),
    ...(copy.backingPath === null
      ? {}
      : { 'backing-filename': jsonPath(copy.backingPath), 'path-changed': copy.pathChanged }),
    ...(copy.mtime === null ? {} : { 'mtime-precision': copy.mtime }),
    warnings: copy.warnings,
  }
}

function copyText(copy: CopyResult): string {
  const name = printablePath(copy.target)
  const stored = copy.allocatedSize === null ? '' : `, ${formatSize(copy.allocatedSize)} stored`
  const path = copy.pathChanged ? `; its backing file is now "${printablePath(copy.backingPath!)}"` : ''
  const verb = copy.dryRun ? 'would be a copy' : 'copy'
  return `${name}: ${verb} of ${printablePath(copy.source)}, ${formatSize(copy.size)}${stored}${path}\n`
}
