/** A partition of an image. Places and lengths are bytes. */
export interface Partition {
  /** From 1, as Linux numbers it: `sda1`. Logical partitions count from 5. */
  readonly number: number
  readonly start: number
  /** The bytes that the image has of it: fewer than the table says where the image ends early. */
  readonly length: number
  /** As `sfdisk --dump` prints it: `83`, or a GUID. */
  readonly type: string
  /** What the type stands for; null for one that umlcow does not know. */
  readonly typeName: string | null
  /** The name that a GUID partition table gives it; null when there is none. */
  readonly name: string | null
  /** What Linux calls PARTUUID; null when there is none. */
  readonly uuid: string | null
  readonly isBootable: boolean
  /** True for an extended partition: logical partitions lie in it, no file system does. */
  readonly isExtended: boolean
}

/** The partitions of an image. */
export interface PartitionTable {
  readonly kind: 'mbr' | 'gpt'
  /** Bytes. */
  readonly sectorSize: number
  /** The disk's own GUID, or the eight digits of its number; null when it has none. */
  readonly uuid: string | null
  /** In the order of their numbers. At most 256. */
  readonly partitions: readonly Partition[]
  /** What is wrong with the table, for people. */
  readonly findings: readonly string[]
}

/** Partitions that umlcow lists, as many as Linux does. */
const mostPartitions = 256

/** Collects what a table says, and what is wrong with it. */
export class TableDraft {
  readonly partitions: Partition[] = []
  readonly findings: string[] = []
  readonly #imageSize: number

  constructor(imageSize: number) {
    this.#imageSize = imageSize
  }

  /**
   * Add a partition with the length that the table states. One that the image does not have all of is cut.
   *
   * @returns  false when the list is full
   */
  add(stated: Partition): boolean {
    const { number, start } = stated
    if (this.partitions.length >= mostPartitions) {
      this.findings.push(`umlcow lists ${mostPartitions} partitions only`)
      return false
    }
    const end = start + stated.length
    if (!Number.isSafeInteger(end) || start < 0 || stated.length < 0) {
      this.findings.push(`partition ${number} has an impossible place`)
      return true
    }
    if (end > this.#imageSize)
      this.findings.push(`partition ${number} ends at byte ${end}, beyond the end of the image`)
    this.partitions.push({ ...stated, length: Math.max(0, Math.min(end, this.#imageSize) - start) })
    return true
  }
}
