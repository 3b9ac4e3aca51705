/** Format 16 bytes as a UUID: `0fc63daf-8483-4772-8e79-3d69d8477de4`. */
export function uuidText(bytes: Uint8Array): string {
  const digits = Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [0, 8, 12, 16, 20].map((at, i) => digits.slice(at, [8, 12, 16, 20, 32][i])).join('-')
}

/** Format the UUID in these 16 bytes; null when they are all zeros, which stands for none. */
export function uuidTextOrNull(bytes: Uint8Array): string | null {
  return bytes.every((byte) => byte === 0) ? null : uuidText(bytes)
}
