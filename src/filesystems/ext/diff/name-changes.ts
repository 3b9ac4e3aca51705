import type { InodePair } from './changed-inodes.js'
import type { ChangedName } from './changed-names.js'

/** The names that each file got and lost. A file is an inode, as long as it is the same file on both sides. */
export class NameChanges {
  readonly #gained = new Map<string, ChangedName[]>()
  readonly #lost = new Map<string, ChangedName[]>()
  readonly #pairs: ReadonlyMap<number, InodePair>

  /** @param pairs  of all inodes in the names */
  constructor(pairs: ReadonlyMap<number, InodePair>, names: readonly ChangedName[]) {
    this.#pairs = pairs
    for (const name of names) {
      const [before, after] = [this.#fileOf(name.old?.inode, 'old'), this.#fileOf(name.now?.inode, 'now')]
      if (before === after) continue
      if (before !== null) listIn(this.#lost, before).push(name)
      if (after !== null) listIn(this.#gained, after).push(name)
    }
  }

  gainedBy(number: number): readonly ChangedName[] {
    return this.#gained.get(this.#fileOf(number, 'now')!) ?? []
  }

  lostBy(number: number): readonly ChangedName[] {
    return this.#lost.get(this.#fileOf(number, 'old')!) ?? []
  }

  #fileOf(number: number | undefined, side: 'old' | 'now'): string | null {
    if (number === undefined) return null
    return this.#pairs.get(number)?.isSameFile ? `${number}` : `${side} ${number}`
  }
}

function listIn(lists: Map<string, ChangedName[]>, key: string): ChangedName[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}
