import { escapeText } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import { type CheckHumfsResult, checkHumfs } from '../../humfs/check/index.js'
import type { HumfsFinding } from '../../humfs/check/tree-findings.js'
import { type HumfsInfo, humfsInfo } from '../../humfs/info.js'
import { type CliContext, type CommonFlags, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { withProgress } from '../progress.js'

interface CheckFlags extends CommonFlags {
  readonly repair?: boolean
  readonly dryRun?: boolean
}

export async function runInfo(directory: string, flags: CommonFlags, context: CliContext): Promise<void> {
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

export async function runCheck(directory: string, flags: CheckFlags, context: CliContext): Promise<number> {
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
