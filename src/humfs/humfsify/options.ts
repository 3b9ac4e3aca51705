import { flag, nameOrNumber, type Rules, required, text, whole } from '../../machine/arguments.js'
import { lookUpId } from '../../machine/programs/user-names.js'
import { checkSuffix } from '../../trees/kinds/humfs/paths.js'
import { type HumfsForceWord, humfsWriterRules } from '../../trees/kinds/humfs/workspace.js'
import type { TreeOptions } from '../../trees/tree-options.js'
import type { PreflightTerms } from './preflight.js'

export interface HumfsifyOptions extends TreeOptions {
  /** Who runs the machine: a name or a number. */
  readonly user: string | number
  readonly group: string | number
  /** Bytes that the guest sees as the size of the file system. */
  readonly size: number
  /** `exists`: move metadata that is there aside. `links`: files of data may have names outside of it, which change with it. */
  readonly force?: readonly HumfsForceWord[] | undefined
  /** Modes without setuid, setgid and sticky, 0755 for all data, nodes left as they are: as the Perl tool. */
  readonly perlCompat?: boolean | undefined
  readonly dryRun?: boolean | undefined
  /** Directories called `metadata` get this at the end of their name. */
  readonly renameMetadata?: string | undefined
}

export const humfsifyRules: Rules = {
  ...humfsWriterRules('exists', 'links'),
  user: required(nameOrNumber),
  group: required(nameOrNumber),
  size: required(whole(1)),
  perlCompat: flag,
  renameMetadata: text,
}

export interface HumfsifyResult {
  readonly directory: string
  /** Null for a run that was finished: it was counted when it began. */
  readonly entries: number | null
  readonly used: number
  readonly total: number
  readonly uid: number
  readonly gid: number
  /** A run that had been cut short was finished. */
  readonly resumed: boolean
  readonly dryRun: boolean
  /** Names of what was moved aside. */
  readonly aside: readonly string[]
  readonly warnings: readonly string[]
}

/** What was asked for, names looked up. @throws UmlcowError UNKNOWN_USER, UNKNOWN_GROUP, USAGE */
export async function termsOf(options: HumfsifyOptions): Promise<PreflightTerms> {
  const { size, renameMetadata = null } = options
  if (renameMetadata !== null) checkSuffix(renameMetadata)
  const uid = await lookUpId('user', `${options.user}`)
  const gid = await lookUpId('group', `${options.group}`)
  return { owner: { uid, gid }, total: size, perlCompat: options.perlCompat === true, renameMetadata }
}
