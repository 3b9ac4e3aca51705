import type { Command } from 'commander'
import { printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { type ForceWord, newImageForceWords } from '../../machine/findings.js'
import { compact } from '../../verbs/compact/index.js'
import type { CompactResult } from '../../verbs/compact/options.js'
import { isGroupUnit } from '../../verbs/convert/options.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { addBackingOptions, addForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import { withProgress } from '../progress.js'
import { jsonPath } from '../reports/backing.js'
import { unitArgument } from '../unit-argument.js'

interface Flags extends CommonFlags {
  readonly to?: string
  readonly unit?: number
  readonly compress?: boolean
  readonly backing?: string
  readonly backingRoot?: string
  readonly chain?: boolean
  readonly allowShort?: boolean
  readonly overwrite?: boolean
  readonly force?: ForceWord[]
  readonly dryRun?: boolean
  readonly sync: boolean
}

export function configureCompact(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image>')
    .description(
      'Make IMAGE, a COW file, a raw or a qcow2 image, smaller: drop groups of 4 KiB that are equal to its backing ' +
        'file, and make holes of zeros. The compact image replaces IMAGE at once. It keeps the modification time, so ' +
        'overlays on it still fit. If it would not become smaller, IMAGE stays as it is.',
    )
    .option('-o, --to <file>', 'write the compact image to this new file, and leave IMAGE as it is')
    .option(
      '--unit <size>',
      'drop groups of this size; default 4K, because the kernel may misread overlays with a part of such a group',
      unitArgument(isGroupUnit, 'a power of two from 512 to 64K'),
    )
    .option('-c, --compress', 'compress the clusters of a qcow2 image')
    .option('--allow-short', 'allocated sectors beyond the end of a COW file read as zeros, as in the kernel')
    .option('--overwrite', 'replace the file of -o when it exists')
    .option('--no-sync', 'skip every fsync, for throwaway images')
    .option('-n, --dry-run', 'print how much it would save, change nothing')
  addBackingOptions(command)
  addForceOption(addJsonOptions(addProgressOptions(command)), [...newImageForceWords, 'siblings'])
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow compact --dry-run cow.node0\n  umlcow compact root_fs\n' +
      '\nExit status: 0 done, 1 failed (IMAGE is as it was), 4 refused to protect data, 64 wrong usage.',
  )
  command.action(async (image: string, flags: Flags) => {
    const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
      compact(image, {
        output: flags.to,
        unit: flags.unit,
        compress: flags.compress,
        backing: flags.backing,
        backingRoot: flags.backingRoot,
        chain: flags.chain,
        allowShort: flags.allowShort,
        overwrite: flags.overwrite,
        force: flags.force,
        dryRun: flags.dryRun,
        noSync: !flags.sync,
        signal: context.signal,
        onProgress,
      }),
    )
    if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
    if (wantsJson(flags)) await context.printJsonDone(compactDocument(result))
    else if (!flags.quiet) await context.printDone(compactText(result))
    finish(exitStatus.done)
  })
}

/** Schema: docs/schema/compact.json */
function compactDocument(result: CompactResult): unknown {
  return {
    filename: jsonPath(result.path),
    ...(result.output === null ? {} : { output: jsonPath(result.output) }),
    format: result.format,
    'virtual-size': result.virtualSize,
    'allocated-before': result.allocatedBefore,
    'allocated-after': result.allocatedAfter,
    'bytes-saved': savedBytes(result),
    'bytes-dropped': result.droppedBytes,
    replaced: result.replaced,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function savedBytes({ allocatedBefore, allocatedAfter }: CompactResult): number {
  return Math.max(0, allocatedBefore - allocatedAfter)
}

function compactText(result: CompactResult): string {
  const name = printablePath(result.output ?? result.path)
  const saved = formatSize(savedBytes(result))
  const sizes = `${formatSize(result.allocatedAfter)} instead of ${formatSize(result.allocatedBefore)}`
  if (result.dryRun) return `${name}: would save ${saved}: ${sizes}\n`
  if (result.output === null && !result.replaced) return `${name}: nothing to save, unchanged\n`
  return `${name}: saved ${saved}: ${sizes}\n`
}
