import { parseDigits } from '../../bytes/decimal.js'
import { printablePath } from '../../bytes/escape.js'
import { allocate, latin1Bytes, utf8Bytes } from '../../bytes/fast.js'
import { UmlcowError } from '../../errors.js'
import { isTimeNs } from '../manifest/time.js'

/** The name of the first member of a pack, which no other member may have. */
export const packManifestName = 'umlcow-pack.json'

const longestName = 255

/** The fields of an object of a manifest. */
export class ManifestFields {
  private readonly values: Readonly<Record<string, unknown>>
  private readonly what: string

  constructor(values: unknown, what: string) {
    this.what = what
    if (typeof values !== 'object' || values === null || Array.isArray(values)) throw this.bad('an object')
    this.values = values as Record<string, unknown>
  }

  bad(field: string): UmlcowError {
    return new UmlcowError('BAD_PACK', `${this.what}: cannot read "${field}"`, { details: { field } })
  }

  private value(field: string): unknown {
    return Object.hasOwn(this.values, field) ? this.values[field] : undefined
  }

  text(field: string): string {
    const value = this.value(field)
    if (typeof value === 'string' && value.length <= 100) return value
    throw this.bad(field)
  }

  flag(field: string): boolean {
    const value = this.value(field)
    if (typeof value === 'boolean') return value
    throw this.bad(field)
  }

  whole(field: string): number {
    const value = this.value(field)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    throw this.bad(field)
  }

  time(field: string): bigint {
    const text = this.text(field)
    const digits = text.startsWith('-') ? text.slice(1) : text
    const isWhole = digits.length > 0 && [...digits].every((digit) => digit >= '0' && digit <= '9')
    if (isWhole && isTimeNs(BigInt(text))) return BigInt(text)
    throw this.bad(field)
  }

  digest(field: string): string {
    const text = this.text(field)
    if (text.length === 64 && [...text].every((digit) => '0123456789abcdef'.includes(digit))) return text
    throw this.bad(field)
  }

  bytes(field: string): Uint8Array {
    const value = this.value(field)
    if (typeof value === 'string') return utf8Bytes(value)
    return this.neededPart(field).hex()
  }

  /** One component of a path: a pack has no directories, so no name can leave the directory. */
  fileName(field: string): Uint8Array {
    const name = this.bytes(field)
    const shown = printablePath(name)
    const isSafe = name.length > 0 && name.length <= longestName && shown !== '.' && shown !== '..'
    if (isSafe && !name.includes(0x2f) && !name.includes(0) && shown !== packManifestName) return name
    throw new UmlcowError('UNSAFE_PATH', `${this.what}: the name "${shown}" is not the name of a file`)
  }

  private hex(): Uint8Array {
    const value = this.value('hex')
    if (typeof value !== 'string' || value.length % 2 !== 0 || value.length > 16_384) throw this.bad('hex')
    const text = latin1Bytes(value)
    const bytes = allocate(text.length / 2)
    for (let i = 0; i < bytes.length; i++) {
      const byte = parseDigits(text.subarray(2 * i, 2 * i + 2), 16)
      if (byte === null) throw this.bad('hex')
      bytes[i] = byte
    }
    return bytes
  }

  /** An object, or null. */
  part(field: string): ManifestFields | null {
    return this.value(field) === null ? null : this.neededPart(field)
  }

  neededPart(field: string): ManifestFields {
    return new ManifestFields(this.value(field), `${this.what}: ${field}`)
  }

  list(field: string, limit: number): ManifestFields[] {
    const value = this.value(field)
    if (!Array.isArray(value) || value.length > limit) throw this.bad(field)
    return value.map((one, i) => new ManifestFields(one, `${this.what}: ${field} ${i + 1}`))
  }
}
