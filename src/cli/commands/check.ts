import type { Command } from 'commander'
import { escapeText, printablePath } from '../../bytes/escape.js'
import { throwIfAborted, UmlcowError } from '../../errors.js'
import type { Qcow2Report } from '../../images/qcow2/check/report.js'
import { type CheckResult, check } from '../../verbs/check/index.js'
import type { CheckOptions, Severity } from '../../verbs/check/options.js'
import { type CliContext, type CommonFlags, describeError, errorLines, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { tell } from '../messages.js'
import {
  addBackingOptions,
  addForceOption,
  addJsonOptions,
  addNoBackingOption,
  addProgressOptions,
  backingFlags,
} from '../options.js'
import { openProgress } from '../progress.js'
import { jsonPath } from '../reports/backing.js'

interface Flags extends CommonFlags, Omit<CheckOptions, 'signal' | 'files' | 'onProgress' | 'backing' | 'noBacking'> {
  readonly backing?: string | false
}

export function configureCheck(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<file...>')
    .description(
      'Check the header, the bitmap and the length of an overlay, and whether its backing file is the one in the ' +
        'header. Or check the tables and refcounts of a qcow2 image. The exit status is that of qemu-img check: 0 ' +
        'consistent, 2 damaged, 3 consistent with wasted space, 63 neither COW nor qcow2, 1 the check failed.',
    )
    .option('--repair', 'repair bits past the last sector, bytes past the end, and a header rewrite that was cut short')
    .option(
      '--deep',
      'read the data, too: find allocated sectors that equal those of the backing file, and a file system that was not unmounted',
    )
    .option('-n, --dry-run', 'with --repair: show what it would repair, change nothing')
  addProgressOptions(addForceOption(addJsonOptions(addNoBackingOption(addBackingOptions(command))), ['in-use']))
  command.addHelpText('after', '\nExamples:\n  umlcow check cow.node0 cow.node1\n  umlcow check --repair cow.node0')
  command.action(async (paths: string[], flags: Flags) => {
    if (flags.force && !flags.repair) throw new UmlcowError('USAGE', 'check --force needs --repair')
    const documents: unknown[] = []
    const statuses: number[] = []
    const warned = new Set<string>()
    for (const path of paths) {
      const outcome = await checkOne(path, flags, context)
      // After a stop, too, the user must learn what was repaired.
      if (!flags.repair) throwIfAborted(context.signal)
      if (!(outcome instanceof Error) && !flags.quiet) {
        // Each warning once for all files.
        for (const warning of outcome.warnings.filter((one) => !warned.has(one))) context.warn(warning)
        for (const warning of outcome.warnings) warned.add(warning)
      }
      statuses.push(outcome instanceof Error ? context.statusOf(outcome) : statusOfResult(outcome))
      // Among several documents an error has its own.
      const hasDocument = wantsJson(flags) && paths.length > 1
      if (outcome instanceof Error && !hasDocument) tell(errorLines(outcome))
      if (wantsJson(flags))
        documents.push(
          outcome instanceof Error ? describeError(outcome) : checkDocument(outcome, flags.repair === true),
        )
      else if (outcome instanceof Error) continue
      else if (!flags.quiet || outcome.findings.length > 0) await context.print(checkText(outcome))
    }
    // As qemu-img does: no JSON for a format that it cannot check.
    if (wantsJson(flags) && !(paths.length === 1 && statuses[0] === exitStatus.notThisFormat)) {
      await context.printJson(paths.length === 1 ? documents[0] : documents)
    }
    finish(worst(statuses))
  })
}

async function checkOne(path: string, flags: Flags, context: CliContext): Promise<CheckResult | Error> {
  const view = await openProgress(flags, wantsJson(flags))
  try {
    return await check(path, {
      ...backingFlags(flags),
      backingRoot: flags.backingRoot,
      chain: flags.chain,
      repair: flags.repair,
      deep: flags.deep,
      dryRun: flags.dryRun,
      force: flags.force,
      signal: context.signal,
      onProgress: view.onProgress,
    })
  } catch (error) {
    if (error instanceof UmlcowError && error.code !== 'USAGE') return error
    throw error
  } finally {
    await view.stop()
  }
}

function open(result: CheckResult, severity: Severity): number {
  return listed(result, severity) + unlisted(result, severity)
}

function listed(result: CheckResult, severity: Severity): number {
  return result.findings.filter((finding) => finding.severity === severity && !finding.fixed).length
}

/** Count the findings about a qcow2 image that are not shown in full. */
function unlisted({ qcow2 }: CheckResult, severity: Severity): number {
  if (qcow2 === null || severity === 'note') return 0
  return qcow2.counts[severity] - qcow2.findings.filter((one) => one.severity === severity).length
}

function statusOfResult(result: CheckResult): number {
  if (open(result, 'damage') > 0) return exitStatus.damaged
  if (open(result, 'unknown') > 0) return exitStatus.failed
  return open(result, 'waste') > 0 ? exitStatus.waste : exitStatus.done
}

/** From bad to good, for several files. */
const order: number[] = [
  exitStatus.damaged,
  exitStatus.refused,
  exitStatus.failed,
  exitStatus.notThisFormat,
  exitStatus.waste,
]

function worst(statuses: number[]): number {
  return order.find((status) => statuses.includes(status)) ?? exitStatus.done
}

function countIf(key: string, count: number): Record<string, number> {
  return count === 0 ? {} : { [key]: count }
}

/** Keys and meaning of `qemu-img check --output=json`, plus ours.  Schema: docs/schema/check.json */
function checkDocument(result: CheckResult, repair: boolean): unknown {
  const { overlay, findings } = result
  const fixed = (severity: Severity) => findings.filter((one) => one.severity === severity && one.fixed).length
  return {
    'image-end-offset': result.qcow2?.imageEndOffset ?? result.fileSize,
    ...(overlay === null ? {} : { 'total-clusters': overlay.layout.sectorCount }),
    ...(result.allocatedSectors === null ? {} : { 'allocated-clusters': result.allocatedSectors }),
    ...(result.qcow2 === null ? {} : clusterKeys(result.qcow2)),
    'check-errors': open(result, 'unknown'),
    filename: jsonPath(result.path),
    format: result.format,
    ...countIf('corruptions', open(result, 'damage')),
    ...countIf('leaks', open(result, 'waste')),
    ...countIf('corruptions-fixed', fixed('damage')),
    ...countIf('leaks-fixed', fixed('waste')),
    'format-specific': { type: result.format, data: { findings } },
    ...(repair ? { warnings: result.warnings } : {}),
  }
}

/** As in qemu-img, a key is absent for a count of 0. */
function clusterKeys(report: Qcow2Report): Record<string, number> {
  return {
    ...countIf('total-clusters', report.totalClusters),
    ...countIf('allocated-clusters', report.allocatedClusters),
    ...countIf('fragmented-clusters', report.fragmentedClusters),
    ...countIf('compressed-clusters', report.compressedClusters),
  }
}

const headlines: Record<Severity, string> = { damage: 'damage', waste: 'waste', note: 'note', unknown: 'not checked' }

function checkText(result: CheckResult): string {
  const lines = result.findings.map((finding) => {
    const state = finding.fixed ? ' (repaired)' : finding.repairable ? ' (--repair repairs it)' : ''
    return `${headlines[finding.severity]}: ${escapeText(finding.message)}${state}`
  })
  for (const severity of ['damage', 'waste'] as const) {
    const more = unlisted(result, severity)
    if (more > 0) lines.push(`${headlines[severity]}: ${more} more findings like these`)
  }
  lines.push(`${printablePath(result.path)}: ${verdict(result)}`)
  return `${lines.join('\n')}\n`
}

function verdict(result: CheckResult): string {
  const count = countText(result)
  switch (statusOfResult(result)) {
    case exitStatus.done:
      return `consistent${count}`
    case exitStatus.waste:
      return `consistent, with waste${count}`
    case exitStatus.failed:
      return `could not be checked fully${count}`
    default:
      return `damaged${count}`
  }
}

function countText({ overlay, allocatedSectors, qcow2 }: CheckResult): string {
  if (qcow2 !== null) return `; ${qcow2.allocatedClusters} of ${qcow2.totalClusters} clusters allocated`
  if (overlay === null || allocatedSectors === null) return ''
  return `; ${allocatedSectors} of ${overlay.layout.sectorCount} sectors allocated`
}
