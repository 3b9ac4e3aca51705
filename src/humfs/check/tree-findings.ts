import { printablePath } from '../../bytes/escape.js'

export type HumfsSeverity =
  /** A guest cannot use it, or sees something wrong. */
  | 'damage'
  /** Of no harm to a guest. */
  | 'waste'

/** What can be wrong with a humfs tree, and how bad it is. */
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

/** One thing that is wrong in a humfs tree. */
export interface HumfsFinding {
  readonly code: HumfsFindingCode
  readonly severity: HumfsSeverity
  /** As people write it, from the directory on. */
  readonly path: string
  readonly message: string
  readonly repairable: boolean
  readonly fixed: boolean
}

/** A finding with the deed that mends it, where what is right can be proved. */
export interface FoundProblem {
  readonly code: HumfsFindingCode
  readonly path: string
  readonly message: string
  readonly repair: (() => void) | null
}

/** Takes down what was found of a name. */
export type Found = (code: HumfsFindingCode, message: string, repair?: (() => void) | null) => void

export function dataName(path: Buffer): string {
  return path.length === 0 ? 'data' : `data/${printablePath(path)}`
}
