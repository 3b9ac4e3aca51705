import { type DigestKey, digestName, randomDigestKey } from './name-digest.js'

const firstCapacity = 1024
/** The table grows when more than this part of its places is full. */
const fullest = 0.8
/** With a factor of 2, as much memory again could stay unused. */
const growth = 1.5

/**
 * A tag and a number for each of many names, in 18 bytes a place however long the names are.
 *
 * The table keeps only a keyed digest of a name. Among a million names, two share a digest in about one of ten million
 * tables. Callers must stay correct when this happens.
 */
export class NameTable {
  /** How many names the table holds. */
  size = 0
  private readonly key: DigestKey
  private capacity = firstCapacity
  private digests = new Uint32Array(2 * firstCapacity)
  /** 0 marks a free place. */
  private tags = new Uint16Array(firstCapacity)
  private values = new Float64Array(firstCapacity)
  private readonly digest = new Uint32Array(2)

  constructor(key: DigestKey = randomDigestKey()) {
    this.key = key
  }

  /** Look up a name; null when the table does not hold it. */
  get(name: Uint8Array): { readonly tag: number; readonly value: number } | null {
    const place = this.placeOf(name)
    const tag = this.tags[place]!
    return tag === 0 ? null : { tag, value: this.values[place]! }
  }

  /** Add a name or replace its tag and value. @param tag  1 to 65535 */
  set(name: Uint8Array, tag: number, value: number): void {
    const place = this.placeOf(name)
    if (this.tags[place] === 0) this.size++
    this.put(place, this.digest[0]!, this.digest[1]!, tag, value)
    if (this.size > this.capacity * fullest) this.grow()
  }

  /** Remove all names; keep the memory for as many. */
  clear(): void {
    this.tags.fill(0)
    this.size = 0
  }

  private placeOf(name: Uint8Array): number {
    digestName(name, this.key, this.digest)
    return this.find(this.digest[0]!, this.digest[1]!)
  }

  /** Find the place of a digest, or the free place where it belongs. */
  private find(low: number, high: number): number {
    for (let place = low % this.capacity; ; place = place + 1 === this.capacity ? 0 : place + 1) {
      if (this.tags[place] === 0) return place
      if (this.digests[2 * place] === low && this.digests[2 * place + 1] === high) return place
    }
  }

  private put(place: number, low: number, high: number, tag: number, value: number): void {
    this.digests[2 * place] = low
    this.digests[2 * place + 1] = high
    this.tags[place] = tag
    this.values[place] = value
  }

  private grow(): void {
    const { capacity, digests, tags, values } = this
    this.capacity = Math.ceil(growth * capacity)
    this.digests = new Uint32Array(2 * this.capacity)
    this.tags = new Uint16Array(this.capacity)
    this.values = new Float64Array(this.capacity)
    for (let old = 0; old < capacity; old++) {
      if (tags[old] === 0) continue
      const [low, high] = [digests[2 * old]!, digests[2 * old + 1]!]
      this.put(this.find(low, high), low, high, tags[old]!, values[old]!)
    }
  }
}
