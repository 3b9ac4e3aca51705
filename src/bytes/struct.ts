// One field list per on-disk layout drives its size, its parser and its serializer.
//
// 64-bit fields become `number`. The parser turns values above 2^53 - 1 into Infinity instead of rounding them, so that
// the codec above can refuse them with its own error code.

type FieldKind = 'u8' | 'u16' | 'u32' | 'u64' | number

/** A field: its name, and its kind: the width of a number, or the length of a byte string. */
export type Field = readonly [name: string, kind: FieldKind]

type ValueOf<K> = K extends number ? Uint8Array : number
export type Values<F extends readonly Field[]> = { -readonly [I in F[number] as I[0]]: ValueOf<I[1]> }

export interface Struct<F extends readonly Field[]> {
  /** Bytes from the first field to the end of the last one; all layouts are packed. */
  readonly size: number
  /** Offset of a field, bytes from the start. */
  offsetOf(name: F[number][0]): number
  /** Length of a field, bytes. */
  lengthOf(name: F[number][0]): number
  /** @throws RangeError when `bytes` is shorter than `size` */
  parse(bytes: Uint8Array, littleEndian: boolean): Values<F>
  serialize(values: Values<F>, littleEndian: boolean): Uint8Array
}

function kindLength(kind: FieldKind): number {
  return typeof kind === 'number' ? kind : Number(kind.slice(1)) / 8
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function readU64(view: DataView, offset: number, littleEndian: boolean): number {
  const value = view.getBigUint64(offset, littleEndian)
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value)
}

/** Make the codec of a packed layout from its field list. */
export function defineStruct<const F extends readonly Field[]>(fields: F): Struct<F> {
  const places = new Map<string, { offset: number; kind: FieldKind }>()
  let size = 0
  for (const [name, kind] of fields) {
    places.set(name, { offset: size, kind })
    size += kindLength(kind)
  }
  const place = (name: string) => {
    const found = places.get(name)
    if (found === undefined) throw new Error(`unreachable: no field ${name}`)
    return found
  }

  return {
    size,
    offsetOf: (name) => place(name).offset,
    lengthOf: (name) => kindLength(place(name).kind),

    parse(bytes, littleEndian) {
      if (bytes.length < size) throw new RangeError(`a structure of ${size} bytes in ${bytes.length}`)
      const view = viewOf(bytes)
      const values: Record<string, number | Uint8Array> = {}
      for (const [name, { offset, kind }] of places) {
        if (kind === 'u32') values[name] = view.getUint32(offset, littleEndian)
        else if (kind === 'u16') values[name] = view.getUint16(offset, littleEndian)
        else if (kind === 'u8') values[name] = view.getUint8(offset)
        else if (kind === 'u64') values[name] = readU64(view, offset, littleEndian)
        // Not `slice`: on a Buffer it returns a view of the same memory.
        else values[name] = Uint8Array.from(bytes.subarray(offset, offset + kind))
      }
      return values as Values<F>
    },

    serialize(values, littleEndian) {
      const bytes = new Uint8Array(size)
      const view = viewOf(bytes)
      for (const [name, { offset, kind }] of places) {
        const value = (values as Record<string, number | Uint8Array>)[name]
        if (kind === 'u32') view.setUint32(offset, value as number, littleEndian)
        else if (kind === 'u16') view.setUint16(offset, value as number, littleEndian)
        else if (kind === 'u8') view.setUint8(offset, value as number)
        else if (kind === 'u64') view.setBigUint64(offset, BigInt(value as number), littleEndian)
        else bytes.set((value as Uint8Array).subarray(0, kind), offset)
      }
      return bytes
    },
  }
}
