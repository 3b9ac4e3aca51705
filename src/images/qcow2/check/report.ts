/** What a check of a qcow2 image finds. Damage: data may be lost or wrong. Waste: clusters that nothing uses. */
export interface Qcow2Finding {
  readonly code: Qcow2FindingCode
  readonly severity: 'damage' | 'waste' | 'unknown'
  readonly message: string
}

export type Qcow2FindingCode =
  /** An entry of a table is wrong: reserved bits, a place that is not on a cluster or not in the file. */
  | 'QCOW2_ENTRY'
  /** More users of a cluster than its refcount says. */
  | 'QCOW2_REFCOUNT'
  /** Fewer users of a cluster than its refcount says. */
  | 'QCOW2_LEAK'
  /** A cluster has two uses that exclude each other. */
  | 'QCOW2_OVERLAP'
  /** The flag "the refcount is 1" is wrong. */
  | 'QCOW2_COPIED'
  /** The image has too many clusters or tables to count their users. */
  | 'QCOW2_UNCOUNTED'

/** The result of a check of a qcow2 image. */
export interface Qcow2Report {
  /** Clusters of the virtual disk. */
  readonly totalClusters: number
  /** Clusters of the virtual disk that the file stores, compressed ones too. */
  readonly allocatedClusters: number
  readonly compressedClusters: number
  /** Allocated clusters that do not follow the one before, in the file. */
  readonly fragmentedClusters: number
  /** The end of the last cluster with a user, bytes. */
  readonly imageEndOffset: number
  /** Findings in full: the first ones of each severity, and the first one of each code. */
  readonly findings: readonly Qcow2Finding[]
  /** All findings of each severity, those too that are not in `findings`. */
  readonly counts: Readonly<Record<Qcow2Finding['severity'], number>>
}

/** Keep this many findings of each severity. Of the others only a new code is kept: nothing hides another kind. */
const mostFindings = 20

/** Collects findings: a few in full, all by number. */
export class FindingList {
  readonly #name: string
  readonly #findings: Qcow2Finding[] = []
  readonly #codes = new Set<Qcow2FindingCode>()
  readonly #counts = { damage: 0, waste: 0, unknown: 0 }

  /** @param name  of the image, for messages */
  constructor(name: string) {
    this.#name = name
  }

  add(severity: Qcow2Finding['severity'], code: Qcow2FindingCode, message: string): void {
    const isKept = this.#counts[severity]++ < mostFindings || !this.#codes.has(code)
    if (!isKept) return
    this.#codes.add(code)
    this.#findings.push({ code, severity, message: `${this.#name}: ${message}` })
  }

  get findings(): readonly Qcow2Finding[] {
    return this.#findings
  }

  get counts(): Qcow2Report['counts'] {
    return { ...this.#counts }
  }
}
