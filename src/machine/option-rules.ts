import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { throwIfAborted } from '../errors.js'
import type { ForceWord } from './findings.js'
import type { HostPath } from './host-files.js'

// umlcow checks what callers of the library pass before it opens anything. A wrong type is a TypeError. A value out of
// bounds, or an unknown word, is a RangeError.

/** Check the value of an option. Returns the value, or the path of a URL. @throws TypeError, RangeError */
export type Rule = (value: unknown, name: string) => unknown

/** The rule of an option that callers must give. */
export interface RequiredRule extends Rule {
  readonly isRequired: true
}

/** Mark a rule as the rule of an option that callers must give. */
export function required(rule: Rule): RequiredRule {
  return Object.assign((value: unknown, name: string) => rule(value, name), { isRequired: true as const })
}

/** Rules by option name. A name means the same in every operation. */
export type Rules = Readonly<Record<string, Rule>>

/** The most characters of a value that a message shows. */
const longestShown = 200

/** Show a value in a message: an object with many members, such as a stream, by its class only. */
export function shownValue(value: unknown): string {
  const shown = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: longestShown })
  return shown.length <= longestShown + 50 ? shown : inspect(value, { depth: -1 })
}

export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name}: expected ${expected}, got ${shownValue(value)}`)
}

function wrongValue(name: string, expected: string, value: unknown): RangeError {
  return new RangeError(`${name}: expected ${expected}, got ${shownValue(value)}`)
}

function typed(expected: string, isRight: (value: unknown) => boolean): Rule {
  return (value, name) => {
    if (!isRight(value)) throw wrongType(name, expected, value)
    return value
  }
}

export const flag = typed('true or false', (value) => typeof value === 'boolean')
export const text = typed('a string', (value) => typeof value === 'string')
export const callable = typed('a function', (value) => typeof value === 'function')
export const object = typed(
  'an object',
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)
const signal = typed('an AbortSignal', (value) => value instanceof AbortSignal)

/** Make a rule that accepts only these words. */
export function oneOf(words: readonly string[]): Rule {
  return (value, name) => {
    if (typeof value !== 'string') throw wrongType(name, `one of ${words.join(', ')}`, value)
    if (!words.includes(value)) throw wrongValue(name, `one of ${words.join(', ')}`, value)
    return value
  }
}

/** Make a rule for an array whose items all follow another rule. */
export function listOf(rule: Rule): Rule {
  return (value, name) => {
    if (!Array.isArray(value)) throw wrongType(name, 'an array', value)
    return value.map((one, i) => rule(one, `${name}[${i}]`))
  }
}

/** Make a rule for a whole number from `least` to `most`. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Rule {
  const expected = `a whole number from ${least} to ${most}`
  return (value, name) => {
    if (typeof value !== 'number') throw wrongType(name, expected, value)
    if (!Number.isInteger(value) || value < least || value > most) throw wrongValue(name, expected, value)
    return value
  }
}

/** Accept a point in time: seconds since 1970, with fractions. */
export const timePoint: Rule = (value, name) => {
  if (typeof value !== 'number') throw wrongType(name, 'seconds since 1970', value)
  if (!Number.isFinite(value)) throw wrongValue(name, 'seconds since 1970', value)
  return value
}

/** Accept a path inside a file system, as text or as bytes. Returns its bytes. */
export const innerPath: Rule = (value, name) => {
  if (value instanceof Uint8Array) return value
  if (typeof value === 'string') return Buffer.from(value)
  throw wrongType(name, 'a path as a string or as bytes', value)
}

/** Accept a name or a whole number. */
export const nameOrNumber: Rule = (value, name) => {
  if (typeof value === 'string') return value
  if (typeof value !== 'number') throw wrongType(name, 'a name or a number', value)
  return whole(0, 2 ** 32 - 2)(value, name)
}

/** Accept a path as text, or a file: URL. @throws TypeError for any other URL */
const plainPath: Rule = (value, name) => {
  if (typeof value === 'string') return value
  if (value instanceof URL) return fileURLToPath(value)
  throw wrongType(name, 'a path as a string or a file: URL', value)
}

/** Accept what `plainPath` accepts, and a path as bytes. */
const anyPath: Rule = (value, name) => {
  if (Buffer.isBuffer(value)) return value
  if (typeof value === 'string' || value instanceof URL) return plainPath(value, name)
  throw wrongType(name, 'a path as a string, a Buffer or a file: URL', value)
}

export const paths = { plain: plainPath, any: anyPath } as const

/** Check what a caller passes as the entries of a tree. @throws TypeError */
export function checkItems(items: unknown): void {
  if (typeof items === 'object' && items !== null && Symbol.asyncIterator in items) return
  throw wrongType('items', 'entries to iterate over, as readTar or readDirectory returns', items)
}

/** Check a path that a caller passes: `textPath('path', path)`. */
export function textPath(name: string, value: string | URL): string {
  return plainPath(value, name) as string
}

/** Check paths inside a file system that a caller passes. */
export function innerPaths(name: string, value: readonly (string | Uint8Array)[]): Uint8Array[] {
  return listOf(innerPath)(value, name) as Uint8Array[]
}

/** Check a path that a caller passes as text, as bytes or as a file: URL. */
export function hostPath(name: string, value: HostPath | URL): HostPath {
  return anyPath(value, name) as HostPath
}

/**
 * Check the options of an operation by their rules.
 *
 * Every operation calls this first, so even a short one does not start after its signal has fired.
 *
 * @throws TypeError, RangeError, UmlcowError INTERRUPTED
 */
export function checkedOptions<T extends object>(options: T, rules: Rules): T {
  object(options, 'options')
  const checked = { ...options } as Record<string, unknown>
  for (const [name, rule] of Object.entries(rules)) {
    if (checked[name] !== undefined || 'isRequired' in rule) checked[name] = rule(checked[name], name)
  }
  throwIfAborted(checked.signal as AbortSignal | undefined)
  return checked as T
}

/** Rules for the options that every operation has. */
export const operationRules: Rules = { files: object, signal, onProgress: callable }

/** Make the rule for the findings that an operation lets its caller override. Any other word would do nothing. */
export function forceOf(...words: readonly ForceWord[]): Rule {
  return listOf(oneOf(words))
}

/** The rule for operations that finish or abandon a merge in place. */
export const force = forceOf('in-use', 'siblings', 'journal')

/** Rules for the options that say where to look for a backing file. */
export const backingRules: Rules = {
  backing: anyPath,
  backingRoot: plainPath,
  relativeTo: oneOf(['overlay', 'currentDirectory', 'besideOverlay']),
  chain: flag,
}

/** Rules for verbs that write. Most of these verbs have a rule of their own for `force`. */
export const writerRules: Rules = {
  ...operationRules,
  force: forceOf('in-use', 'mtime', 'size', 'siblings', 'room'),
  overwrite: flag,
  dryRun: flag,
  noSync: flag,
}

/** The rule for the way to store the path of a backing file. */
export const pathStyle: Rule = (value, name) => {
  const style = object(value, name) as { kind?: unknown }
  oneOf(['absolute', 'asTyped', 'relative', 'chroot'])(style.kind, `${name}.kind`)
  if (style.kind !== 'chroot') return style
  return { ...style, jail: plainPath((style as { jail?: unknown }).jail, `${name}.jail`) }
}
