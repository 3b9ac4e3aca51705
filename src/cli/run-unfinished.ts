import { printablePath } from '../bytes/escape.js'
import { unfinishedFinding } from '../overlays/unfinished/unfinished-merge.js'
import {
  type AbandonResult,
  abandonMerge,
  type MergeStatus,
  mergeStatus,
} from '../verbs/merge/in-place/unfinished/abandon.js'
import { resumeMerge } from '../verbs/merge/in-place/unfinished/resume.js'
import type { ResumeOptions } from '../verbs/merge/in-place/unfinished/take-up.js'
import { type CliContext, type CommonFlags, wantsJson } from './context.js'
import { exitStatus } from './exit-status.js'
import { runInPlace } from './in-place.js'
import { knownForce, unfinishedForceWords } from './options.js'
import { jsonPath } from './reports/backing.js'

export interface UnfinishedFlags extends Pick<ResumeOptions, 'siblingsIn' | 'force'> {
  readonly resume?: boolean
  readonly status?: boolean
  readonly abandon?: boolean
}

export type UnfinishedAction = 'resume' | 'status' | 'abandon'

export function unfinishedAction(flags: UnfinishedFlags): UnfinishedAction | null {
  if (flags.resume) return 'resume'
  if (flags.status) return 'status'
  return flags.abandon ? 'abandon' : null
}

/** Finish, show or abandon a merge in place that was cut short. @param path  of the overlay or of the backing file */
export async function runUnfinished(
  action: UnfinishedAction,
  path: string,
  flags: CommonFlags & UnfinishedFlags,
  context: CliContext,
): Promise<number> {
  const force = knownForce(`merge --${action}`, flags.force, action === 'status' ? [] : unfinishedForceWords)
  const options = { siblingsIn: flags.siblingsIn, force }
  if (action === 'resume') return runInPlace(resumeMerge, path, options, flags, context)
  if (action === 'status') {
    const status = await mergeStatus(path)
    if (wantsJson(flags)) await context.printJson(statusDocument(status))
    else await context.print(statusText(path, status))
    return exitStatus.done
  }
  const result = await abandonMerge(path, { ...options, signal: context.signal })
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(abandonDocument(result))
  else if (!flags.quiet) await context.printDone(abandonText(result))
  return exitStatus.done
}

/** Schema: docs/schema/merge-status.json */
export function statusDocument({ merge }: MergeStatus): unknown {
  if (merge === null) return { 'unfinished-merge': null }
  const { journal } = merge
  const { message, hint } = unfinishedFinding(merge)
  return {
    'unfinished-merge': {
      overlay: jsonPath(merge.overlayPath),
      'backing-filename': journal === null ? null : jsonPath(journal.backing.path),
      phase: journal === null ? null : journal.phase,
      started: journal === null ? null : journal.started,
      'process-state': merge.liveness,
      pid: journal === null ? null : journal.process.pid,
      host: journal === null ? null : journal.process.hostName,
      message,
      hint: hint ?? null,
    },
  }
}

function statusText(path: string, { merge }: MergeStatus): string {
  if (merge === null) return `${printablePath(path)}: no unfinished merge\n`
  const { message, hint } = unfinishedFinding(merge)
  return `${message}\n${hint === undefined ? '' : `    ${hint}\n`}`
}

/** Schema: docs/schema/merge-status.json */
function abandonDocument(result: AbandonResult): unknown {
  return {
    abandoned: {
      overlay: jsonPath(result.overlay),
      'backing-filename': result.backing === null ? null : jsonPath(result.backing),
      content: result.content,
      usable: result.usable.map(jsonPath),
      removed: result.removed.map(jsonPath),
      warnings: result.warnings,
    },
  }
}

function abandonText(result: AbandonResult): string {
  const overlay = printablePath(result.overlay)
  const backing = result.backing === null ? 'the backing file' : printablePath(result.backing)
  const usable = result.usable.map((path) => printablePath(path)).join(', ')
  const texts: Record<AbandonResult['content'], string> = {
    old: `${backing}: unchanged by the merge; ${overlay} is complete`,
    merged: `${backing}: holds all of ${overlay}; only the journal was left`,
    mixed:
      `${backing}: holds some of the changes of ${overlay}: do not use it alone; ` +
      `these overlays read correctly: ${usable}`,
    unknown:
      `${backing}: may hold some of the changes of ${overlay}, and no journal records it any more: ` +
      'do not use it without that overlay',
  }
  const removed = result.removed.map((path) => `removed: ${printablePath(path)}\n`).join('')
  return `${texts[result.content]}\n${removed}no other file was removed\n`
}
