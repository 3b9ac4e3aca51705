// As much of JSON Schema (draft 2020-12) as docs/schema/ uses. A keyword that is not known here is an error, for a
// validator that passes over it would accept what it should not.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

export interface ValidateOptions {
  /** Report keys that no schema lists, though schemas allow them: the documentation has then lost something. */
  readonly closed?: boolean
}

/** Where and what. An empty list: the value is valid. */
export type Problems = string[]

interface Place {
  readonly root: JsonObject
  readonly path: string
  readonly closed: boolean
}

type Check = (operand: Json, value: Json, place: Place, schema: JsonObject) => Problems

const typeTests: Record<string, (value: Json) => boolean> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  array: (value) => Array.isArray(value),
  object: (value) => isObject(value),
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function equal(a: Json, b: Json): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

const noCheck: Check = () => []

const checks: Record<string, Check> = {
  $schema: noCheck,
  $id: noCheck,
  $defs: noCheck,
  title: noCheck,
  description: noCheck,
  $ref: (reference, value, place) => problemsOf(resolve(place.root, reference), value, place),
  type(names, value, { path }) {
    const wanted = [names].flat() as string[]
    return wanted.some((name) => typeTests[name]?.(value)) ? [] : [`${path}: expected ${wanted.join(' or ')}`]
  },
  const: (wanted, value, { path }) => (equal(wanted, value) ? [] : [`${path}: expected ${JSON.stringify(wanted)}`]),
  enum: (allowed, value, { path }) =>
    (allowed as Json[]).some((one) => equal(one, value)) ? [] : [`${path}: ${JSON.stringify(value)} is not allowed`],
  minimum: (least, value, { path }) =>
    typeof value === 'number' && value < (least as number) ? [`${path}: ${value} is less than ${least}`] : [],
  pattern: (pattern, value, { path }) =>
    typeof value === 'string' && !new RegExp(pattern as string, 'u').test(value)
      ? [`${path}: "${value}" does not match ${pattern}`]
      : [],
  required: (names, value, { path }) =>
    isObject(value)
      ? (names as string[]).filter((name) => !Object.hasOwn(value, name)).map((name) => `${path}: has no "${name}"`)
      : [],
  properties(schemas, value, place, schema) {
    if (!isObject(value)) return []
    const listed = schemas as Record<string, JsonObject>
    const problems: Problems = []
    for (const [key, item] of Object.entries(value)) {
      const at = { ...place, path: `${place.path}/${key}` }
      const own = Object.hasOwn(listed, key) ? listed[key] : undefined
      if (own !== undefined) problems.push(...problemsOf(own, item, at))
      else if (place.closed && schema['additionalProperties'] === undefined) problems.push(`${at.path}: not listed`)
    }
    return problems
  },
  additionalProperties(itemSchema, value, place, schema) {
    if (!isObject(value)) return []
    const listed = (schema['properties'] ?? {}) as JsonObject
    const more = Object.entries(value).filter(([key]) => !Object.hasOwn(listed, key))
    return more.flatMap(([key, item]) =>
      problemsOf(itemSchema as JsonObject, item, { ...place, path: `${place.path}/${key}` }),
    )
  },
  items: (itemSchema, value, place) =>
    Array.isArray(value)
      ? value.flatMap((item, i) => problemsOf(itemSchema as JsonObject, item, { ...place, path: `${place.path}/${i}` }))
      : [],
  anyOf(schemas, value, place) {
    const branches = (schemas as JsonObject[]).map((schema) => problemsOf(schema, value, place))
    return branches.some((problems) => problems.length === 0) ? [] : fewest(branches)
  },
  oneOf(schemas, value, place) {
    const branches = (schemas as JsonObject[]).map((schema) => problemsOf(schema, value, place))
    const matching = branches.filter((problems) => problems.length === 0).length
    if (matching > 1) return [`${place.path}: matches ${matching} alternatives`]
    return matching === 1 ? [] : fewest(branches)
  },
}

/** Of the alternatives that failed, the one that came nearest says most. */
function fewest(branches: Problems[]): Problems {
  return branches.reduce((best, problems) => (problems.length < best.length ? problems : best))
}

function problemsOf(schema: JsonObject, value: Json, place: Place): Problems {
  return Object.entries(schema).flatMap(([keyword, operand]) => {
    const check = Object.hasOwn(checks, keyword) ? checks[keyword] : undefined
    if (check === undefined) throw new Error(`unknown keyword "${keyword}" in a schema`)
    return check(operand, value, place, schema)
  })
}

/** `#/$defs/name` only. */
function resolve(root: JsonObject, reference: Json): JsonObject {
  const [start, defs, name, ...more] = String(reference).split('/')
  const all = root['$defs']
  const found = isObject(all) && name !== undefined && Object.hasOwn(all, name) ? all[name] : undefined
  if (start !== '#' || defs !== '$defs' || more.length > 0 || !isObject(found)) {
    throw new Error(`no such reference: ${JSON.stringify(reference)}`)
  }
  return found
}

/** Every schema inside a schema, itself included. */
function* subschemas(schema: JsonObject): Generator<JsonObject> {
  yield schema
  const maps = [schema['$defs'], schema['properties']].filter(isObject).flatMap((map) => Object.values(map))
  const lists = [schema['oneOf'], schema['anyOf']].filter(Array.isArray).flat()
  const single = [schema['items'], schema['additionalProperties']].filter((one) => one !== undefined)
  for (const one of [...maps, ...lists, ...single]) {
    if (!isObject(one)) throw new Error(`a schema is expected, not ${JSON.stringify(one)}`)
    yield* subschemas(one)
  }
}

/** Throws when a schema, or any part of it, has a keyword, type, pattern or reference that means nothing here. */
export function assertUsableSchema(schema: JsonObject): void {
  for (const part of subschemas(schema)) {
    for (const keyword of Object.keys(part)) {
      if (!Object.hasOwn(checks, keyword)) throw new Error(`unknown keyword "${keyword}" in a schema`)
    }
    for (const name of [part['type'] ?? []].flat()) {
      if (!Object.hasOwn(typeTests, String(name))) throw new Error(`unknown type "${name}" in a schema`)
    }
    if (part['$ref'] !== undefined) resolve(schema, part['$ref'])
    if (part['pattern'] !== undefined) new RegExp(String(part['pattern']), 'u')
  }
}

/** @throws when the schema has a keyword that is not known here */
export function validate(schema: JsonObject, value: Json, options: ValidateOptions = {}): Problems {
  assertUsableSchema(schema)
  return problemsOf(schema, value, { root: schema, path: '', closed: options.closed === true })
}
