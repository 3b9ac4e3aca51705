import { printablePath } from '../../bytes/escape.js'

export type HumfsSeverity =
  /** A guest cannot use the file, or sees something wrong. */
  | 'damage'
  /** It does not harm a guest. */
  | 'waste'

/** The problems that a humfs tree can have, and how bad each is. */
export const humfsFindings = {
  'unfinished-run': 'damage',
  'bad-superblock': 'damage',
  'odd-superblock': 'waste',
  'no-metadata-tree': 'damage',
  'cannot-be-read': 'damage',
  'no-entry': 'damage',
  'bad-entry': 'damage',
  'entry-too-long': 'damage',
  'no-mirror-directory': 'damage',
  'guest-renamed-directory': 'damage',
  'real-node': 'damage',
  'node-with-content': 'damage',
  'hard-links': 'damage',
  'shared-entry': 'damage',
  'data-not-writable': 'damage',
  'special-bits': 'waste',
  'fifo-as-file': 'waste',
  orphan: 'waste',
} as const satisfies Record<string, HumfsSeverity>

export type HumfsFindingCode = keyof typeof humfsFindings

/** One problem of a humfs tree. */
export interface HumfsFinding {
  readonly code: HumfsFindingCode
  readonly severity: HumfsSeverity
  /** Printable path, relative to the directory. */
  readonly path: string
  readonly message: string
  readonly repairable: boolean
  readonly fixed: boolean
}

/** A finding with its repair; null where the right state is not certain. */
export interface FoundProblem {
  readonly code: HumfsFindingCode
  readonly path: string
  readonly message: string
  readonly repair: (() => void) | null
}

/** Records a problem of a name. */
export type Found = (code: HumfsFindingCode, message: string, repair?: (() => void) | null) => void

/** Write the path of a name of data for a finding. */
export function dataName(path: Buffer): string {
  return path.length === 0 ? 'data' : `data/${printablePath(path)}`
}
