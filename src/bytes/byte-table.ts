import { allocate, concatBytes, equalBytes } from './fast.js'
import { NameTable } from './name-table.js'
import { RecordStore } from './record-memory.js'
import { readWord, writeWord } from './words.js'

const tag = 1
// A record: the place of the next one, 0 at the end (8 bytes), the lengths of key and value (4 each), key, value.
const nextAt = 0
const keyLengthAt = 8
const valueLengthAt = 12
const fixedLength = 16
const again = new Uint8Array(1)

/**
 * Bytes for each of many keys, in some 40 bytes and the length of both. A Map of arrays takes ten times as much, and
 * more where the arrays are parts of larger ones.
 *
 * Digests only say where to look, so the table never confuses two keys. It never removes a key.
 */
export class ByteTable {
  /** How many keys the table holds. */
  size = 0
  private readonly places: Pick<NameTable, 'get' | 'set'>
  private readonly records = new RecordStore()
  private first: number | null = null
  private last: number | null = null

  /** @param places  finds the records by key; it may confuse two keys */
  constructor(places: Pick<NameTable, 'get' | 'set'> = new NameTable()) {
    this.places = places
  }

  /** Get the value itself, which the caller may change; null when the table does not hold the key. */
  get(key: Uint8Array): Uint8Array | null {
    const found = this.find(key)
    return typeof found === 'number' ? valueIn(this.records.at(found)) : null
  }

  /** Add copies of a new key and its value. @returns the copy of the value, which the caller may change */
  add(key: Uint8Array, value: Uint8Array): Uint8Array {
    const free = this.find(key)
    if (typeof free === 'number') throw new Error('unreachable: a key that is there')
    const record = allocate(fixedLength + key.length + value.length)
    writeWord(record, keyLengthAt, key.length)
    writeWord(record, valueLengthAt, value.length)
    record.set(key, fixedLength)
    record.set(value, fixedLength + key.length)
    const place = this.records.add(record)
    this.places.set(free, tag, place)
    this.size++
    this.first ??= place
    if (this.last !== null) writePlace(this.records.at(this.last), place)
    this.last = place
    return valueIn(this.records.at(place))
  }

  /** Iterate over the values in the order of their addition. */
  *values(): Generator<Uint8Array> {
    for (const record of this.all()) yield valueIn(record)
  }

  /** Iterate over the keys and values in the order of their addition. */
  *entries(): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    for (const record of this.all()) yield [keyIn(record), valueIn(record)]
  }

  private *all(): Generator<Uint8Array> {
    for (let place = this.first; place !== null; ) {
      const record = this.records.at(place)
      yield record
      place = readPlace(record) || null
    }
  }

  /** @returns the place of the record, or a free name for it in `places` */
  private find(key: Uint8Array): number | Uint8Array {
    for (let name = key; ; name = concatBytes([name, again])) {
      const found = this.places.get(name)
      if (found === null) return name
      if (equalBytes(keyIn(this.records.at(found.value)), key)) return found.value
    }
  }
}

function readPlace(record: Uint8Array): number {
  return readWord(record, nextAt) + readWord(record, nextAt + 4) * 2 ** 32
}

function writePlace(record: Uint8Array, place: number): void {
  writeWord(record, nextAt, place % 2 ** 32)
  writeWord(record, nextAt + 4, Math.floor(place / 2 ** 32))
}

function keyIn(record: Uint8Array): Uint8Array {
  return record.subarray(fixedLength, fixedLength + readWord(record, keyLengthAt))
}

function valueIn(record: Uint8Array): Uint8Array {
  const start = fixedLength + readWord(record, keyLengthAt)
  return record.subarray(start, start + readWord(record, valueLengthAt))
}
