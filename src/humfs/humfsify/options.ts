import { flag, nameOrNumber, type Rules, required, text, whole } from '../../machine/option-rules.js'
import { lookUpId } from '../../machine/programs/user-names.js'
import { checkSuffix } from '../../trees/kinds/humfs/paths.js'
import { type HumfsForceWord, humfsWriterRules } from '../../trees/kinds/humfs/workspace.js'
import type { TreeOptions } from '../../trees/tree-options.js'
import type { PreflightTerms } from './preflight.js'

export interface HumfsifyOptions extends TreeOptions {
  /** The user who runs the guest: a name or a number. */
  readonly user: string | number
  readonly group: string | number
  /** Bytes that the guest sees as the size of the file system. */
  readonly size: number
  /**
   * `exists`: move existing metadata aside. `links`: accept files that also have names outside of data; these names
   * change too.
   */
  readonly force?: readonly HumfsForceWord[] | undefined
  /** Do as the Perl tool: no setuid, setgid and sticky bits, mode 0755 for all of data, and nodes stay as they are. */
  readonly perlCompat?: boolean | undefined
  readonly dryRun?: boolean | undefined
  /** Suffix for the names of directories called `metadata`. */
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
  /** Null when this run finished an earlier one: that one counted them. */
  readonly entries: number | null
  readonly used: number
  readonly total: number
  readonly uid: number
  readonly gid: number
  /** This run finished one that was cut short. */
  readonly resumed: boolean
  readonly dryRun: boolean
  /** Names of the files and directories that were moved aside. */
  readonly aside: readonly string[]
  readonly warnings: readonly string[]
}

/** Read the terms from the options, and look up the names. @throws UmlcowError UNKNOWN_USER, UNKNOWN_GROUP, USAGE */
export async function termsOf(options: HumfsifyOptions): Promise<PreflightTerms> {
  const { size, renameMetadata = null } = options
  if (renameMetadata !== null) checkSuffix(renameMetadata)
  const uid = await lookUpId('user', `${options.user}`)
  const gid = await lookUpId('group', `${options.group}`)
  return { owner: { uid, gid }, total: size, perlCompat: options.perlCompat === true, renameMetadata }
}
