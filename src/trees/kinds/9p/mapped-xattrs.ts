import { NameTable } from '../../../bytes/name-table.js'
import { RecordStore } from '../../../bytes/record-memory.js'
import { isVirtfsXattr, parseVirtfsXattrs, type VirtfsAttributes, virtfsXattrs } from '../../../formats/virtfs/index.js'
import type { FileAttribute } from '../../../machine/programs/getfattr-output.js'

/** Stands for the length of a value that is too long for any of these attributes. */
const tooLong = 255

/**
 * The attributes of a tree of `security_model=mapped-xattr`, by path. A file takes some 50 bytes. It keeps the values as
 * they are, so that a bad one is an error of its file.
 */
export class MappedXattrs {
  /** Whether any file has some. */
  isEmpty = true
  private readonly names = new NameTable()
  private readonly records = new RecordStore()

  add(path: Buffer, attributes: readonly FileAttribute[]): void {
    if (!attributes.some(({ name }) => isVirtfsXattr(name))) return
    const hexOf = (name: string) => attributes.find((one) => one.name === name)?.value
    const parts = virtfsXattrs.map((name) => recordOf(hexOf(name)))
    this.names.set(path, 1, this.records.add(Buffer.concat(parts)))
    this.isEmpty = false
  }

  /** Get the attributes of a name; null when it has none. @throws UmlcowError BAD_ARCHIVE for a value that does not fit */
  get(path: Buffer): VirtfsAttributes | null {
    const found = this.names.get(path)
    if (found === null) return null
    const values = new Map<string, Uint8Array>()
    let rest = this.records.at(found.value)
    for (const name of virtfsXattrs) {
      const length = rest[0]!
      const end = length === tooLong ? 1 : 1 + length
      if (length > 0) values.set(name, rest.subarray(1, end))
      rest = rest.subarray(end)
    }
    return parseVirtfsXattrs(values, 'its extended attributes')
  }
}

/** A byte with the length of a value, and the value. Without a value, the length is 0. */
function recordOf(value: string | null | undefined): Buffer {
  if (value === undefined) return Buffer.of(0)
  const bytes = value === null ? null : Buffer.from(value.slice('0x'.length), 'hex')
  // An empty value fits no attribute, either.
  if (bytes === null || bytes.length === 0) return Buffer.of(tooLong)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}
