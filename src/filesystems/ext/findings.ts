import { UmlcowError } from '../../errors.js'

/** Damage that a reader can pass over. */
export type DamageKind = 'checksum' | 'size' | 'attribute' | 'name' | 'journal'

/** Something that a report about a file system should say. */
export interface ExtFinding {
  readonly kind: DamageKind | 'orphan' | 'replayed' | 'not-replayed'
  /** One clause, in lower case. */
  readonly message: string
}

/** The most findings that are kept: their number follows the damage of an image. */
const maxFindings = 1000

/** Collects findings, and decides whether a wrong checksum ends the work. */
export class ExtFindings {
  readonly list: ExtFinding[] = []
  readonly #known = new Set<string>()
  readonly #refuses: boolean

  constructor(damage: 'refuse' | 'report' = 'refuse') {
    this.#refuses = damage === 'refuse'
  }

  /** Keep a finding, unless it is known or there are too many. */
  add(finding: ExtFinding): void {
    if (this.list.length >= maxFindings || this.#known.has(finding.message)) return
    this.#known.add(finding.message)
    this.list.push(finding)
  }

  /**
   * Report damage that a reader can pass over.
   *
   * @throws UmlcowError FS_DAMAGED unless damage is reported
   */
  damage(kind: DamageKind, message: string): void {
    if (this.#refuses) throw damagedExt(message)
    this.add({ kind, message })
  }

  /** Keep an error as a finding, where a reader can do without what failed. @throws it unless damage is reported */
  passOver(kind: DamageKind, error: Error): void {
    if (this.#refuses) throw error
    this.add({ kind, message: error.message })
  }
}

/** Make the error of a structure that cannot be right. */
export function damagedExt(message: string): UmlcowError {
  return new UmlcowError('FS_DAMAGED', `the file system is damaged: ${message}`, {
    hint: 'run "e2fsck -fn" on the image to see all damage',
  })
}
