import { NameTable } from '../../bytes/name-table.js'
import { RecordStore } from '../../bytes/record-store.js'
import { asBuffer } from '../../bytes/zeros.js'
import type { EntryType, ManifestEntry } from '../manifest/entry.js'

/** What a hard link has from the first name of its file. */
export type FirstName = Pick<ManifestEntry, 'path' | 'type' | 'device' | 'linkTarget' | 'size'>

/** The value is the size of a file under its first name. */
const fileTag = 1
/** The value is the place of a record. */
const recordTag = 2

const types: readonly EntryType[] = ['file', 'symlink', 'character', 'block', 'fifo', 'socket']

// A record: type (1 byte), size (8), major, minor, length of the path, length of the target (4 each), path, target.
// The path is empty where it is the one that is asked for.
const fixedLength = 25

/**
 * Files that hard links may name, by path, in 23 bytes for a file and some more for links, devices and further names.
 * Where the digests of two paths are the same, the wrong one may be found: its path then leads to another or to no file.
 */
export class FirstNames {
  private readonly table = new NameTable()
  private readonly records = new RecordStore()

  add(entry: FirstName): void {
    if (entry.type === 'file') this.table.set(entry.path, fileTag, entry.size)
    else this.addRecord(entry.path, entry, Buffer.alloc(0))
  }

  addFurther(path: Buffer, first: FirstName): void {
    this.addRecord(path, first, first.path)
  }

  find(path: Buffer): FirstName | null {
    const found = this.table.get(path)
    if (found === null) return null
    if (found.tag === recordTag) return this.read(path, found.value)
    return { path, type: 'file', device: null, linkTarget: null, size: found.value }
  }

  private addRecord(name: Buffer, { type, device, linkTarget, size }: FirstName, path: Buffer): void {
    const target = linkTarget ?? Buffer.alloc(0)
    const fixed = Buffer.alloc(fixedLength)
    fixed.writeUInt8(types.indexOf(type), 0)
    fixed.writeDoubleLE(size, 1)
    for (const [i, value] of [device?.major ?? 0, device?.minor ?? 0, path.length, target.length].entries()) {
      fixed.writeUInt32LE(value, 9 + 4 * i)
    }
    this.table.set(name, recordTag, this.records.add(Buffer.concat([fixed, path, target])))
  }

  private read(name: Buffer, place: number): FirstName {
    const bytes = asBuffer(this.records.at(place))
    const type = types[bytes.readUInt8(0)]!
    const [major, minor, pathLength, targetLength] = [9, 13, 17, 21].map((at) => bytes.readUInt32LE(at))
    const targetStart = fixedLength + pathLength!
    return {
      path: pathLength === 0 ? name : Buffer.from(bytes.subarray(fixedLength, targetStart)),
      type,
      device: type === 'character' || type === 'block' ? { major: major!, minor: minor! } : null,
      linkTarget: type === 'symlink' ? Buffer.from(bytes.subarray(targetStart, targetStart + targetLength!)) : null,
      size: bytes.readDoubleLE(1),
    }
  }
}
