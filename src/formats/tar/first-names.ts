import { allocate, concatBytes, copyOf } from '../../bytes/fast.js'
import { NameTable } from '../../bytes/name-table.js'
import { RecordStore } from '../../bytes/record-memory.js'
import { viewOf } from '../../bytes/struct.js'
import type { EntryType, ManifestEntry } from '../manifest/entry.js'

/** What a hard link takes from the first name of its file. */
export type FirstName = Pick<ManifestEntry, 'path' | 'type' | 'device' | 'linkTarget' | 'size'>

/** The value is the size of a file under its first name. */
const fileTag = 1
/** The value is the place of a record. */
const recordTag = 2

const types: readonly EntryType[] = ['file', 'symlink', 'character', 'block', 'fifo', 'socket']

// A record: type (1 byte), size (8), major, minor, length of the path, length of the target, version of the path (4
// each), path, target. An empty path stands for the path that leads to the record.
const fixedLength = 29
const nothing = new Uint8Array(0)

/**
 * Files that hard links may name, by path. A file takes 23 bytes; links, devices and further names take some more.
 *
 * A path may come again: `tar -r` appends a new version of a file. The other names of the old version then still name the
 * old one, as after an extraction.
 *
 * When two paths have the same digest, `find` may return the wrong one. Its path then leads to another file or to none.
 */
export class FirstNames {
  private readonly table = new NameTable()
  private readonly records = new RecordStore()
  /** How many times a path has come again. */
  private readonly versions = new NameTable()

  add(entry: FirstName): void {
    if (entry.type === 'file') this.set(entry.path, fileTag, entry.size)
    else this.addRecord(entry.path, entry, nothing)
  }

  addFurther(path: Uint8Array, first: FirstName): void {
    this.addRecord(path, first, first.path)
  }

  find(path: Uint8Array): FirstName | null {
    const found = this.table.get(path)
    if (found === null) return null
    if (found.tag === recordTag) return this.read(path, found.value)
    return { path, type: 'file', device: null, linkTarget: null, size: found.value }
  }

  private set(path: Uint8Array, tag: number, value: number): void {
    const { size } = this.table
    this.table.set(path, tag, value)
    if (this.table.size === size) this.versions.set(path, fileTag, this.versionOf(path) + 1)
  }

  private versionOf(path: Uint8Array): number {
    return this.versions.size === 0 ? 0 : (this.versions.get(path)?.value ?? 0)
  }

  private addRecord(name: Uint8Array, { type, device, linkTarget, size }: FirstName, path: Uint8Array): void {
    const target = linkTarget ?? nothing
    const fixed = allocate(fixedLength)
    const view = viewOf(fixed)
    view.setUint8(0, types.indexOf(type))
    view.setFloat64(1, size)
    const { major = 0, minor = 0 } = device ?? {}
    for (const [i, value] of [major, minor, path.length, target.length, this.versionOf(path)].entries()) {
      view.setUint32(9 + 4 * i, value)
    }
    this.set(name, recordTag, this.records.add(concatBytes([fixed, path, target])))
  }

  private read(name: Uint8Array, place: number): FirstName {
    const bytes = this.records.at(place)
    const view = viewOf(bytes)
    const type = types[view.getUint8(0)]!
    const [major, minor, pathLength, targetLength, version] = [9, 13, 17, 21, 25].map((at) => view.getUint32(at))
    const targetStart = fixedLength + pathLength!
    const path = copyOf(bytes.subarray(fixedLength, targetStart))
    return {
      path: pathLength === 0 || version !== this.versionOf(path) ? name : path,
      type,
      device: type === 'character' || type === 'block' ? { major: major!, minor: minor! } : null,
      linkTarget: type === 'symlink' ? copyOf(bytes.subarray(targetStart, targetStart + targetLength!)) : null,
      size: view.getFloat64(1),
    }
  }
}
