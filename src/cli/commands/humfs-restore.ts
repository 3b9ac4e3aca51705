import { type RestoreHumfsResult, restoreHumfs } from '../../humfs/restore/index.js'
import type { HumfsForceWord } from '../../trees/kinds/humfs/workspace.js'
import { type CliContext, type CommonFlags, wantsJson } from '../context.js'
import { withProgress } from '../progress.js'

export interface RestoreFlags extends CommonFlags {
  readonly force?: HumfsForceWord[]
  readonly dryRun?: boolean
  readonly sync: boolean
}

/** The reverse of humfsify: `humfsify -r` and `humfs restore`. */
export async function runRestore(directory: string, flags: RestoreFlags, context: CliContext): Promise<void> {
  const { force, dryRun, sync } = flags
  const { signal } = context
  const result = await withProgress(flags, wantsJson(flags), ({ onProgress }) =>
    restoreHumfs(directory, { force, dryRun, noSync: !sync, signal, onProgress }),
  )
  if (!flags.quiet) for (const warning of result.warnings) context.warn(warning)
  if (wantsJson(flags)) await context.printJsonDone(document(result))
  else if (!flags.quiet) await context.printDone(text(result))
}

/** Schema: docs/schema/humfs-restore.json */
function document(result: RestoreHumfsResult): unknown {
  return {
    directory: result.directory,
    entries: result.entries,
    undone: result.undone,
    'dry-run': result.dryRun,
    warnings: result.warnings,
  }
}

function text({ entries, undone, dryRun }: RestoreHumfsResult): string {
  const what = undone ? 'the unfinished humfsify' : `data, ${entries} entries`
  const verb = dryRun ? 'would be' : 'is'
  return undone
    ? `${what} ${verb} undone\n`
    : `${what}: ${verb} as the metadata says; the metadata ${dryRun ? 'would go' : 'is gone'}\n`
}
