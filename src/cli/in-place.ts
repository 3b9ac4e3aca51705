import { type Command, Option } from 'commander'
import { printablePath } from '../bytes/escape.js'
import { formatSize } from '../bytes/size-text.js'
import { dateText } from '../overlays/inspect-backing.js'
import type { InPlaceOptions, InPlaceResult } from '../verbs/merge/in-place/options.js'
import { type CliContext, type CommonFlags, wantsJson } from './context.js'
import { exitStatus } from './exit-status.js'
import { overlayMeant } from './mistakes/swapped.js'
import { addSiblingsInOption, bufferArgument, inPlaceForceWords, knownForce } from './options.js'
import { openProgress } from './progress.js'
import { jsonPath } from './reports/backing.js'

export type InPlaceFlags = Pick<InPlaceOptions, 'keepSiblings' | 'siblingsIn' | 'backup' | 'verify'> & {
  readonly buffer?: number
}

/** The options that a merge into a new file does not take. */
export const inPlaceFlagNames = ['keepSiblings', 'siblingsIn', 'backup'] as const

export function addInPlaceOptions(command: Command): Command {
  command.option(
    '--keep-siblings',
    'in place: copy what the merge changes into the other overlays on the backing file first, so that they keep ' +
      'what they show',
  )
  return addSiblingsInOption(command, 'in place: look for other overlays below this directory, too')
    .option(
      '--backup <file>',
      'in place: save what is overwritten as an overlay; merging that overlay undoes this merge',
    )
    .option('--verify', 'read back what was written and compare it; in place: before the overlay changes')
    .addOption(
      new Option('--buffer <size>', 'bytes moved at a time, a multiple of 4K from 4K to 16M (default: 256K)').argParser(
        bufferArgument,
      ),
    )
}

interface AllFlags
  extends CommonFlags,
    InPlaceFlags,
    Omit<InPlaceOptions, 'signal' | 'files' | 'onProgress' | 'bufferSize'> {
  readonly sync: boolean
}

export function inPlaceOptions(flags: Omit<AllFlags, keyof CommonFlags>): InPlaceOptions {
  return {
    backing: flags.backing,
    backingRoot: flags.backingRoot,
    keepSiblings: flags.keepSiblings,
    siblingsIn: flags.siblingsIn,
    backup: flags.backup,
    verify: flags.verify,
    bufferSize: flags.buffer,
    force: knownForce('a merge in place', flags.force, inPlaceForceWords),
    allowShort: flags.allowShort,
    dryRun: flags.dryRun,
    noSync: !flags.sync,
  }
}

/** Carry out an operation that merges in place, with progress, and report it. */
export async function runInPlace(
  operation: (path: string, options: InPlaceOptions) => Promise<InPlaceResult>,
  path: string,
  options: InPlaceOptions,
  flags: CommonFlags,
  context: CliContext,
): Promise<number> {
  const view = await openProgress(flags, wantsJson(flags))
  let result: InPlaceResult
  try {
    result = await operation(path, { ...options, signal: context.signal, onProgress: view.onProgress })
  } catch (error) {
    throw await overlayMeant(error, path)
  } finally {
    await view.stop()
  }
  await reportInPlace(result, flags, context)
  return exitStatus.done
}

/** Print what a merge in place did. */
export async function reportInPlace(result: InPlaceResult, flags: CommonFlags, context: CliContext): Promise<void> {
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(inPlaceDocument(result))
  else if (!flags.quiet) await context.printDone(inPlaceText(result))
}

/** Schema: docs/schema/merge-in-place.json */
function inPlaceDocument(result: InPlaceResult): unknown {
  return {
    overlay: jsonPath(result.overlay),
    'backing-filename': jsonPath(result.backing),
    filename: jsonPath(result.backing),
    format: 'raw',
    'virtual-size': result.virtualSize,
    'sectors-from-overlay': result.allocatedSectors,
    'bytes-from-overlay': result.allocatedSectors * result.sectorSize,
    'in-place': true,
    'overlay-afterwards': result.afterwards,
    changed: result.changed,
    resumed: result.resumed,
    'backing-mtime': result.mtime,
    siblings: result.siblings.map(({ path, copiedLength }) => ({
      filename: jsonPath(path),
      'bytes-copied': copiedLength,
    })),
    'siblings-left': result.leftSiblings.map(jsonPath),
    backup: result.backup === null ? null : jsonPath(result.backup),
    verified: result.verified,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function inPlaceText(result: InPlaceResult): string {
  const backing = printablePath(result.backing)
  const overlay = printablePath(result.overlay)
  const size = formatSize(result.allocatedSectors * result.sectorSize)
  if (!result.changed) {
    const kept = result.dryRun ? 'would stay unchanged' : 'unchanged'
    const lines = [`${backing}: held all of ${overlay} (${size}) already, ${kept}`]
    if (result.afterwards === 'reset') lines.push(`${overlay}: ${result.dryRun ? 'would be emptied' : 'is empty now'}`)
    if (result.afterwards === 'delete') lines.push(`${overlay}: ${result.dryRun ? 'would be removed' : 'was removed'}`)
    return `${lines.join('\n')}\n`
  }
  const lines = [
    `${backing}: ${result.dryRun ? 'would take' : 'took'} ${size} from ${overlay}${afterwardsText(result)}`,
    ...result.siblings.map((one) => `${printablePath(one.path)}: ${siblingText(one.copiedLength, result.dryRun)}`),
  ]
  if (result.backup !== null)
    lines.push(`${printablePath(result.backup)}: ${result.dryRun ? 'would undo' : 'undoes'} the merge`)
  if (result.mtime !== null) lines.push(`new modification time: ${result.mtime} (${dateText(result.mtime)})`)
  lines.push(...verifiedLines(result.verified))
  return `${lines.join('\n')}\n`
}

function siblingText(copied: number, dryRun: boolean): string {
  if (dryRun) return 'would be kept'
  return copied === 0 ? 'kept; it needed nothing' : `kept; it took ${formatSize(copied)} of the old content`
}

function afterwardsText({ afterwards, dryRun }: InPlaceResult): string {
  if (afterwards === 'reset') return dryRun ? ', which would be emptied' : ', which is empty now'
  if (afterwards === 'delete') return dryRun ? ', which would be removed' : ', which was removed'
  return ''
}

/** What `--verify` found. */
export function verifiedLines(verified: InPlaceResult['verified']): string[] {
  if (verified === null) return []
  if (verified === 'disk') return ['read back from the disk: equal']
  return ['read back from the page cache: equal (this file system has no direct reads)']
}
