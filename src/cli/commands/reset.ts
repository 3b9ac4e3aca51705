import type { Command } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { type ResetOptions, type ResetResult, resetOverlay } from '../../verbs/reset.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { overlayMeant } from '../mistakes/swapped.js'
import { addForceOption, addJsonOptions, addSiblingsInOption } from '../options.js'
import { jsonPath } from '../reports/backing.js'

interface Flags extends CommonFlags, Omit<ResetOptions, 'signal' | 'files' | 'onProgress' | 'noSync'> {
  readonly sync: boolean
}

export function configureReset(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<cow>')
    .description(
      'Start clean: replace COW by an empty overlay on the same backing file. All changes in COW are lost, and its ' +
        'disk space is free again. The new overlay fits the backing file as it is now.',
    )
    .option('--backing-root <dir>', 'look up the path in the header inside this directory, as in a chroot jail')
  addSiblingsInOption(command, 'look for overlays on COW below this directory, too')
    .option('--no-sync', 'skip every fsync, for throwaway images')
    .option('-n, --dry-run', 'check everything, write nothing')
    .option('-q, --quiet', 'print errors only')
  addForceOption(addJsonOptions(command), ['in-use', 'siblings'])
  command.addHelpText(
    'after',
    '\nExample:\n  umlcow reset cow.node0\n' +
      '\nExit status: 0 done, 1 failed, 4 refused to protect data, 63 not a COW file, 64 wrong usage.',
  )
  command.action(async (cow: string, flags: Flags) => {
    const result = await resetOverlay(cow, {
      backingRoot: flags.backingRoot,
      siblingsIn: flags.siblingsIn,
      force: flags.force,
      dryRun: flags.dryRun,
      noSync: !flags.sync,
      signal: context.signal,
    }).catch(async (error: unknown) => {
      throw await overlayMeant(error, cow)
    })
    if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
    if (wantsJson(flags)) await context.printJsonDone(resetDocument(result))
    else if (!flags.quiet) await context.printDone(resetText(result))
    finish(exitStatus.done)
  })
}

/** Schema: docs/schema/reset.json */
function resetDocument(result: ResetResult): unknown {
  return {
    filename: jsonPath(result.path),
    format: 'cow',
    'backing-filename': jsonPath(result.backingPath),
    'virtual-size': result.virtualSize,
    'sectors-discarded': result.discardedSectors,
    'bytes-discarded': result.discardedSectors * result.sectorSize,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function resetText(result: ResetResult): string {
  const size = formatSize(result.discardedSectors * result.sectorSize)
  return `${printablePath(result.path)}: ${result.dryRun ? 'would lose' : 'empty; lost'} ${size} of changes\n`
}
