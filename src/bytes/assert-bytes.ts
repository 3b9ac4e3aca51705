/** Check that a caller of the library passed bytes: a string would count as no bytes at all. @throws TypeError */
export function assertBytes(name: string, value: unknown): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name}: expected a Uint8Array, got ${typeof value}`)
}
