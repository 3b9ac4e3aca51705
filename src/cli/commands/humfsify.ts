import type { Command } from 'commander'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { type HumfsifyResult, humfsify } from '../../humfs/humfsify/index.js'
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
  'Make a humfs tree of the current directory: owners, modes and devices of all in data/ go into metadata beside it, and ' +
  'the files become those of USER and GROUP (names or numbers), who may then run a machine on them. SIZE is what the guest ' +
  'sees, with K, M, G or T. Everything is looked at before anything is changed. A run that was cut short is finished by the ' +
  'same command, or undone by -r. A link to umlcow that is called humfsify does the same.'

export function configureHumfsify(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('[user] [group] [size]')
    .description(description)
    .option('-r', 'the reverse: put back what the metadata says, then remove it')
    .option(
      '--perl-compat',
      'as the Perl tool: no setuid, setgid and sticky, 0755 for all data, nodes left as they are',
    )
    .option('--rename-metadata <suffix>', 'add this to the names of directories called "metadata"')
    .option('--no-sync', 'skip every sync of the disk')
    .option('-n, --dry-run', 'look at everything, change nothing')
  addProgressOptions(addHumfsForceOption(addJsonOptions(command), ['exists', 'links', 'damage']))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow humfsify lab users 4G\n  umlcow humfsify -r\n' +
      '\nExit status: 0 done, 1 failed, 4 refused and nothing changed, 63 no humfs tree, 64 wrong usage.',
  )
  command.action(
    async (user: string | undefined, group: string | undefined, size: string | undefined, flags: Flags) => {
      if (flags.r) {
        refuseWithReverse(user, flags)
        await runRestore('.', flags, context)
      } else {
        if (user === undefined || group === undefined || size === undefined) {
          throw new UmlcowError('USAGE', 'humfsify takes USER, GROUP and SIZE, or -r', {
            hint: 'umlcow humfsify --help',
          })
        }
        if (flags.force?.includes('damage')) throw new UmlcowError('USAGE', '--force=damage goes with -r')
        await runHumfsify(user, group, humfsSize(size), flags, context)
      }
      finish(exitStatus.done)
    },
  )
}

function refuseWithReverse(user: string | undefined, flags: Flags): void {
  const taken = user !== undefined ? 'arguments' : flags.perlCompat ? '--perl-compat' : null
  const named = taken ?? (flags.renameMetadata === undefined ? null : '--rename-metadata')
  const foreign = flags.force?.find((word) => word !== 'damage')
  const other = named ?? (foreign === undefined ? null : `--force=${foreign}`)
  if (other !== null) throw new UmlcowError('USAGE', `humfsify -r goes without ${other}`)
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
