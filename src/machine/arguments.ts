import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { throwIfAborted } from '../errors.js'
import type { ForceWord } from './findings.js'
import type { HostPath } from './host-files.js'

// What callers of the library pass is checked before anything is opened: a wrong type is a TypeError, a value that is none of
// those that there are a RangeError.

/** What is made of a value: itself, or a path of a URL. @throws TypeError, RangeError */
export type Rule = (value: unknown, name: string) => unknown

/** The rule of an option that has to be there. */
export interface RequiredRule extends Rule {
  readonly isRequired: true
}

export function required(rule: Rule): RequiredRule {
  return Object.assign((value: unknown, name: string) => rule(value, name), { isRequired: true as const })
}

/** By the name of an option, which means the same in every operation. */
export type Rules = Readonly<Record<string, Rule>>

function wrongType(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name}: expected ${expected}, got ${inspect(value, { depth: 0 })}`)
}

function wrongValue(name: string, expected: string, value: unknown): RangeError {
  return new RangeError(`${name}: expected ${expected}, got ${inspect(value)}`)
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

export function oneOf(words: readonly string[]): Rule {
  return (value, name) => {
    if (typeof value !== 'string') throw wrongType(name, `one of ${words.join(', ')}`, value)
    if (!words.includes(value)) throw wrongValue(name, `one of ${words.join(', ')}`, value)
    return value
  }
}

export function listOf(rule: Rule): Rule {
  return (value, name) => {
    if (!Array.isArray(value)) throw wrongType(name, 'an array', value)
    return value.map((one, i) => rule(one, `${name}[${i}]`))
  }
}

/** A whole number from `least` to `most`. */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER): Rule {
  const expected = `a whole number from ${least} to ${most}`
  return (value, name) => {
    if (typeof value !== 'number') throw wrongType(name, expected, value)
    if (!Number.isInteger(value) || value < least || value > most) throw wrongValue(name, expected, value)
    return value
  }
}

/** A name, or a whole number. */
export const nameOrNumber: Rule = (value, name) => {
  if (typeof value === 'string') return value
  if (typeof value !== 'number') throw wrongType(name, 'a name or a number', value)
  return whole(0, 2 ** 32 - 2)(value, name)
}

/** Paths as text; URLs as for Node's own functions. @throws TypeError for a URL that is no file's */
const plainPath: Rule = (value, name) => {
  if (typeof value === 'string') return value
  if (value instanceof URL) return fileURLToPath(value)
  throw wrongType(name, 'a path as a string or a file: URL', value)
}

/** The same, and bytes for a path that is no text. */
const anyPath: Rule = (value, name) => {
  if (Buffer.isBuffer(value)) return value
  if (typeof value === 'string' || value instanceof URL) return plainPath(value, name)
  throw wrongType(name, 'a path as a string, a Buffer or a file: URL', value)
}

export const paths = { plain: plainPath, any: anyPath } as const

/** A path that an operation is given: `textPath('path', path)`. */
export function textPath(name: string, value: string | URL): string {
  return plainPath(value, name) as string
}

export function hostPath(name: string, value: HostPath | URL): HostPath {
  return anyPath(value, name) as HostPath
}

/**
 * The options of an operation, each that has a rule found right by it. Every operation begins with it, so none begins after its
 * signal has fired, however short it is.
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

/** What every operation takes. */
export const operationRules: Rules = { files: object, signal, onProgress: callable }

/** The findings that an operation lets its caller override: a word of another operation would do nothing. */
export function forceOf(...words: readonly ForceWord[]): Rule {
  return listOf(oneOf(words))
}

/** For what finishes or gives up a merge in place. */
export const force = forceOf('in-use', 'siblings', 'journal')

/** Where a backing file is looked for. */
export const backingRules: Rules = {
  backing: anyPath,
  backingRoot: plainPath,
  relativeTo: oneOf(['overlay', 'currentDirectory']),
  chain: flag,
}

/** Verbs that write. Most of them have a rule of their own for `force`. */
export const writerRules: Rules = {
  ...operationRules,
  force: forceOf('in-use', 'mtime', 'size', 'siblings', 'room'),
  overwrite: flag,
  dryRun: flag,
  noSync: flag,
}

/** How the path of a backing file is stored. */
export const pathStyle: Rule = (value, name) => {
  const style = object(value, name) as { kind?: unknown }
  oneOf(['absolute', 'asTyped', 'relative', 'chroot'])(style.kind, `${name}.kind`)
  if (style.kind !== 'chroot') return style
  return { ...style, jail: plainPath((style as { jail?: unknown }).jail, `${name}.jail`) }
}
