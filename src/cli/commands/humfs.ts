import { Argument, type Command } from 'commander'
import { escapeText } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { UmlcowError } from '../../errors.js'
import { type CheckHumfsResult, checkHumfs } from '../../humfs/check/index.js'
import type { HumfsFinding } from '../../humfs/check/tree-findings.js'
import { type HumfsInfo, humfsInfo } from '../../humfs/info.js'
import { type CliContext, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { addHumfsForceOption, addJsonOptions, addProgressOptions } from '../options.js'
import { withProgress } from '../progress.js'
import { type RestoreFlags, runRestore } from './humfs-restore.js'

interface Flags extends RestoreFlags {
  readonly repair?: boolean
}

type Action = 'restore' | 'info' | 'check'

const description =
  'info shows the superblock and counts the names of each type. check finds out whether data and metadata fit ' +
  'together, by the rules of the kernels 2.4 and 2.6, for no kernel of today mounts humfs; its exit status is 0 ' +
  'consistent, 2 damaged, 3 consistent with wasted space. restore does the same as "umlcow humfsify -r". import and ' +
  'export have a help of their own: run "umlcow humfs import --help". DIR is the current directory by default.'

export function configureHumfs(command: Command, context: CliContext, finish: Finish): void {
  command
    .addArgument(new Argument('<action>', 'restore, info or check').choices(['restore', 'info', 'check']))
    .addArgument(new Argument('[dir]', 'the directory that holds data/').default('.', 'the current one'))
    .description(description)
    .option('--repair', 'check: repair what can be repaired safely')
    .option('--no-sync', 'restore: skip every fsync')
    .option('-n, --dry-run', 'restore, check --repair: check everything, change nothing')
  addProgressOptions(addHumfsForceOption(addJsonOptions(command), ['damage']))
  command.addHelpText('after', '\nExamples:\n  umlcow humfs check --repair /srv/uml/root\n  umlcow humfs info')
  // Verbs below this one have options of their own.
  command.enablePositionalOptions().helpCommand(false)
  command.action(async (action: Action, directory: string, flags: Flags) => {
    refuseForeign(action, flags)
    if (action === 'restore') await runRestore(directory, flags, context)
    else if (action === 'info') await runInfo(directory, flags, context)
    else return finish(await runCheck(directory, flags, context))
    finish(exitStatus.done)
  })
}

function refuseForeign(action: Action, flags: Flags): void {
  if (flags.repair && action !== 'check') throw new UmlcowError('USAGE', `humfs ${action} does not support --repair`)
  if (flags.force && action !== 'restore') throw new UmlcowError('USAGE', `humfs ${action} does not support --force`)
  if (!flags.sync && action !== 'restore') throw new UmlcowError('USAGE', `humfs ${action} does not support --no-sync`)
  if (flags.dryRun && action === 'info') throw new UmlcowError('USAGE', 'humfs info does not support --dry-run')
}

async function runInfo(directory: string, flags: Flags, context: CliContext): Promise<void> {
  const info = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    humfsInfo(directory, { signal: context.signal, onProgress }),
  )
  for (const warning of info.warnings) context.warn(warning)
  await (wantsJson(flags) ? context.printJson(infoDocument(info)) : context.print(infoText(info)))
}

/** Schema: docs/schema/humfs-info.json */
function infoDocument(info: HumfsInfo): unknown {
  return {
    directory: info.directory,
    format: 'humfs',
    version: 2,
    used: info.used,
    total: info.total,
    counts: info.counts,
    'without-metadata': info.without,
    'file-bytes': info.size,
    unfinished: info.unfinished,
    warnings: info.warnings,
  }
}

function infoText(info: HumfsInfo): string {
  const lines = [
    `humfs: ${info.directory}`,
    `used: ${formatSize(info.used)} (${info.used} bytes)`,
    `total: ${formatSize(info.total)} (${info.total} bytes)`,
    ...Object.entries(info.counts).map(([type, count]) => `${type}: ${count}`),
    `bytes in files: ${formatSize(info.size)}`,
  ]
  if (info.without > 0) lines.push(`without metadata: ${info.without}`)
  if (info.unfinished !== null) lines.push(`unfinished: ${info.unfinished}`)
  return `${lines.join('\n')}\n`
}

async function runCheck(directory: string, flags: Flags, context: CliContext): Promise<number> {
  const { repair, dryRun } = flags
  const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    checkHumfs(directory, { repair, dryRun, signal: context.signal, onProgress }),
  )
  const status = statusOfResult(result)
  if (wantsJson(flags)) await context.printJson(checkDocument(result))
  else if (!flags.quiet || result.findings.length > 0) await context.print(checkText(result, status))
  return status
}

function countOpen({ findings }: CheckHumfsResult, severity: HumfsFinding['severity']): number {
  return findings.filter((one) => one.severity === severity && !one.fixed).length
}

function statusOfResult(result: CheckHumfsResult): number {
  if (countOpen(result, 'damage') > 0) return exitStatus.damaged
  return countOpen(result, 'waste') > 0 ? exitStatus.waste : exitStatus.done
}

/** Schema: docs/schema/humfs-check.json */
function checkDocument(result: CheckHumfsResult): unknown {
  return {
    directory: result.directory,
    format: 'humfs',
    entries: result.entries,
    damage: countOpen(result, 'damage'),
    waste: countOpen(result, 'waste'),
    fixed: result.findings.filter(({ fixed }) => fixed).length,
    findings: result.findings,
  }
}

const verdicts: Readonly<Record<number, string>> = {
  [exitStatus.done]: 'consistent',
  [exitStatus.damaged]: 'damaged',
  [exitStatus.waste]: 'usable, with waste',
}

function checkText(result: CheckHumfsResult, status: number): string {
  const lines = result.findings.map(({ severity, path, message, repairable, fixed }) => {
    const state = fixed ? ' (repaired)' : repairable ? ' (--repair repairs it)' : ''
    return `${severity}: ${path}: ${escapeText(message)}${state}`
  })
  lines.push(`${result.directory}: ${verdicts[status]}; ${result.entries} entries`)
  return `${lines.join('\n')}\n`
}
