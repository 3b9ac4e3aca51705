import type { Command } from 'commander'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { type HumfsifyResult, humfsify } from '../../humfs/humfsify/index.js'
import { shellQuote } from '../../machine/shell-quote.js'
import type { HumfsForceWord } from '../../trees/kinds/humfs/workspace.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { humfsSize } from '../humfs-size.js'
import { addHumfsForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import { withProgress } from '../progress.js'
import { runRestore } from './humfs-restore.js'

interface Flags extends CommonFlags {
  readonly r?: boolean
  readonly force?: HumfsForceWord[]
  readonly perlCompat?: boolean
  readonly renameMetadata?: string
  readonly dryRun?: boolean
  readonly sync: boolean
}

const description =
  'Make a humfs tree of the current directory. umlcow writes the owners, modes and devices of all files in data/ ' +
  'into metadata beside it, and gives the files to USER and GROUP (names or numbers), who can then run a machine on ' +
  'them. SIZE is the size that the guest sees, also with K, M, G or T. umlcow checks everything before it changes ' +
  'anything. If a run was cut short, the same command finishes it, and -r undoes it. A link to umlcow with the name ' +
  'humfsify does the same.'

export function configureHumfsify(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('[user] [group] [size]')
    .description(description)
    .option('-r', 'undo: restore what the metadata says, then remove the metadata')
    .option(
      '--perl-compat',
      'do as the Perl tool: drop setuid, setgid and sticky bits, give all data mode 0755, leave device nodes',
    )
    .option('--rename-metadata <suffix>', 'append this to the names of directories called "metadata"')
    .option('--no-sync', 'skip every fsync')
    .option('-n, --dry-run', 'check everything, change nothing')
  addProgressOptions(addHumfsForceOption(addJsonOptions(command), ['exists', 'links', 'damage']))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow humfsify lab users 4G\n  umlcow humfsify -r\n' +
      '\nExit status: 0 done, 1 failed, 4 refused, nothing was changed, 63 not a humfs tree, 64 wrong usage.',
  )
  command.action(
    async (user: string | undefined, group: string | undefined, size: string | undefined, flags: Flags) => {
      if (flags.r) {
        refuseWithReverse(user, flags)
        await runRestore('.', flags, context)
      } else {
        if (user === undefined || group === undefined || size === undefined) {
          throw new UmlcowError('USAGE', 'humfsify needs USER, GROUP and SIZE, or -r', {
            hint: 'umlcow humfsify --help',
          })
        }
        if (flags.force?.includes('damage')) throw new UmlcowError('USAGE', '--force=damage needs -r')
        await runHumfsify(user, group, humfsSize(size), flags, context)
      }
      finish(exitStatus.done)
    },
  )
}

function refuseWithReverse(user: string | undefined, flags: Flags): void {
  const taken = flags.perlCompat ? '--perl-compat' : null
  const named = taken ?? (flags.renameMetadata === undefined ? null : '--rename-metadata')
  const foreign = flags.force?.find((word) => word !== 'damage')
  const other = named ?? (foreign === undefined ? null : `--force=${foreign}`)
  if (user !== undefined) {
    const hint = `it works in the current directory; for another: umlcow humfs restore ${shellQuote(user)}`
    throw new UmlcowError('USAGE', 'humfsify -r does not support arguments', { hint })
  }
  if (other !== null) throw new UmlcowError('USAGE', `humfsify -r does not support ${other}`)
}

async function runHumfsify(
  user: string,
  group: string,
  size: number,
  flags: Flags,
  context: CliContext,
): Promise<void> {
  const { force, perlCompat, renameMetadata, dryRun, sync } = flags
  const { signal } = context
  const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    humfsify('.', {
      user,
      group,
      size,
      force,
      perlCompat,
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

/** Schema: docs/schema/humfsify.json */
function document(result: HumfsifyResult): unknown {
  return {
    directory: result.directory,
    entries: result.entries,
    used: result.used,
    total: result.total,
    uid: result.uid,
    gid: result.gid,
    resumed: result.resumed,
    'dry-run': result.dryRun,
    'moved-aside': result.aside,
    warnings: result.warnings,
  }
}

function text(result: HumfsifyResult): string {
  const { entries, used, total, uid, gid, dryRun, resumed, aside } = result
  const what = entries === null ? 'data' : `data, ${entries} entries`
  const verb = dryRun ? 'would become' : resumed ? 'finished; it is now' : 'is now'
  const moved = aside.length === 0 ? '' : `; ${dryRun ? 'to be ' : ''}moved aside: ${aside.join(', ')}`
  return `${what}: ${verb} humfs of ${uid}:${gid}, ${formatSize(used)} of ${formatSize(total)} used${moved}\n`
}
