import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { errorCodes } from '../../src/errors.js'
import { type Outcome, umlcow } from '../support/command.js'
import { assertUsableSchema, type Json, validate } from '../support/json-schema.js'
import { root, temporaryDirectory } from '../support/paths.js'

type Schema = { [key: string]: Json }

const schemaDirectory = path.join(root, 'docs/schema')
const names = readdirSync(schemaDirectory).map((file) => path.basename(file, '.json'))

function schema(name: string): Schema {
  return JSON.parse(readFileSync(path.join(schemaDirectory, `${name}.json`), 'utf8'))
}

/** The document on standard output, once it fits the schema of that name with no key the schema does not list. */
function checked(name: string, outcome: Outcome): Json {
  expect(outcome.stdout, outcome.stderr).not.toBe('')
  const document: Json = JSON.parse(outcome.stdout)
  expect(validate(schema(name), document, { closed: true }), outcome.stdout).toEqual([])
  return document
}

/** A pair of the fixtures in a directory of its own, and the command run there. */
function unpacked(kind = 'v3') {
  const directory = temporaryDirectory()
  const pair = unpackPair(kind, directory)
  const file = (name: string) => path.join(directory, name)
  return { directory, file, pair, run: (...args: string[]) => umlcow(args, { cwd: directory }) }
}

function replacedBy(make: (file: string) => void): (file: string) => void {
  return (file) => {
    rmSync(file)
    make(file)
  }
}

describe('the schemas', () => {
  it('are one for each document', () => {
    expect(names.sort()).toEqual(['check', 'create', 'error', 'info', 'map', 'merge', 'rebase'])
  })

  it.each(names)('%s has only keywords that are tested here', (name) => {
    expect(() => assertUsableSchema(schema(name))).not.toThrow()
    expect(schema(name)).toMatchObject({ $id: `https://umlcow.invalid/schema/${name}.json` })
  })

  it('error lists every code', () => {
    const listed = (schema('error') as { $defs: { ownCode: { enum: string[] } } }).$defs.ownCode.enum
    expect([...listed].sort()).toEqual([...Object.keys(errorCodes), 'INTERNAL'].sort())
  })

  it('check has the same errors in it', () => {
    const { $defs, required, properties } = schema('error') as { $defs: Schema; required: Json; properties: Json }
    expect((schema('check') as { $defs: Schema }).$defs).toMatchObject({ ...$defs, failure: { required, properties } })
  })
})

describe('info --json', () => {
  it.each(listPairs().map((pair) => pair.kind))('of %s', (kind) => {
    const { run } = unpacked(kind)
    const overlay = kind === 'cluster' ? 'cow.node0' : 'cow'
    checked('info', run('info', '--json', overlay))
    checked('info', run('info', '--json', '-b', 'root_fs', overlay))
    checked('info', run('info', '--json', '--fast', '--no-backing', overlay))
  })

  it('of a raw image, of several files, of a chain', () => {
    const { run } = unpacked()
    checked('info', run('info', '--json', 'root_fs'))
    expect(checked('info', run('info', '--output=json', 'root_fs', 'cow'))).toHaveLength(2)
    expect(checked('info', run('info', '--json', '--backing-chain', '-b', 'root_fs', 'cow'))).toHaveLength(2)
  })

  it('of standard input', () => {
    const { file } = unpacked()
    checked('info', umlcow(['info', '--json', '-'], { input: readFileSync(file('cow')) }))
  })

  it('of an overlay whose path is not UTF-8', () => {
    const { run, file } = unpacked()
    const bytes = readFileSync(file('cow'))
    bytes.write('\xff\0', 32, 'latin1')
    writeFileSync(file('cow'), bytes)
    expect(JSON.stringify(checked('info', run('info', '--json', 'cow')))).toContain('"backing-filename-base64":"/w=="')
  })

  it('of an overlay that a process has open', async () => {
    const { run, file } = unpacked()
    const script = `require('fs').openSync(process.argv[1], 'r+'); console.log(); setInterval(() => {}, 1000)`
    const holder = spawn(process.execPath, ['-e', script, file('cow')])
    try {
      await once(holder.stdout, 'data')
      const document = checked('info', run('info', '--json', 'cow'))
      expect(JSON.stringify(document)).toContain(`{"pid":${holder.pid},"access":"write","seen":"open"}`)
    } finally {
      holder.kill()
    }
  })

  const changes: [string, (file: string) => void][] = [
    ['ok', () => {}],
    ['mtime', (file) => utimesSync(file, 1, 1)],
    ['size', (file) => writeFileSync(file, 'short')],
    ['missing', (file) => rmSync(file)],
    ['kind', replacedBy((file) => mkdirSync(file))],
    ['self', replacedBy((file) => symlinkSync('cow', file))],
    ['unreadable', replacedBy((file) => symlinkSync(path.basename(file), file))],
  ]
  it.each(changes)('tells the state of a backing file: %s', (state, change) => {
    const { run, file } = unpacked()
    change(file('root_fs'))
    const document = checked('info', run('info', '--json', '-b', 'root_fs', 'cow'))
    expect(JSON.stringify(document)).toContain(`"backing-state":"${state}"`)
    checked('check', run('check', '--json', '-b', 'root_fs', 'cow'))
  })
})

describe('map --json', () => {
  it.each(listPairs().map((pair) => pair.kind))('of %s', (kind) => {
    const { run } = unpacked(kind)
    const overlay = kind === 'cluster' ? 'cow.node0' : 'cow'
    for (const options of [['-b', 'root_fs'], ['--no-backing'], ['-b', 'root_fs', '--detect-zeroes']]) {
      checked('map', run('map', '--json', ...options, overlay))
    }
  })

  it('of nothing, and of a raw image', () => {
    const { run } = unpacked()
    expect(checked('map', run('map', '--json', '--max-length', '0', 'root_fs'))).toEqual([])
    checked('map', run('map', '--json', 'root_fs'))
  })
})

describe('check --json', () => {
  it.each(listPairs().map((pair) => pair.kind))('of %s', (kind) => {
    const { run } = unpacked(kind)
    const overlay = kind === 'cluster' ? 'cow.node0' : 'cow'
    checked('check', run('check', '--json', '-b', 'root_fs', overlay))
    checked('check', run('check', '--json', '--deep', '-b', 'root_fs', overlay))
  })

  it('of damaged headers and of files that are none', () => {
    const directory = path.join(root, 'fixtures/invalid')
    const files = readdirSync(directory).map((file) => path.join(directory, file))
    const outcome = umlcow(['check', '--json', ...files])
    expect(checked('check', outcome)).toHaveLength(files.length)
    expect(outcome.status).toBe(2)
  })

  it('of a missing file, and of one that is no COW file', () => {
    const { run } = unpacked()
    checked('check', run('check', '--json', 'absent'))
    checked('error', run('check', '--json', 'absent'))
    expect(run('check', '--json', 'root_fs')).toMatchObject({ status: 63, stdout: '' })
  })

  it('of a repair', () => {
    const { run, file } = unpacked()
    writeFileSync(file('cow'), '\0\0', { flag: 'a' })
    expect(checked('check', run('check', '--json', '--no-backing', 'cow'))).toMatchObject({ leaks: 1 })
    expect(checked('check', run('check', '--json', '-b', 'root_fs', '--repair', 'cow'))).toMatchObject({
      'leaks-fixed': 1,
    })
  })
})

describe('create, merge and rebase --json', () => {
  it('create', () => {
    const { run } = unpacked()
    checked('create', run('create', '--json', '-b', 'root_fs', 'new.cow'))
    checked('create', run('create', '--json', 'new.img', '1M'))
    checked('create', run('create', '--json', '--dry-run', 'other.img', '1M'))
  })

  it('create tells its warnings', () => {
    const { run, file } = unpacked()
    writeFileSync(file('small'), 'x')
    expect(checked('create', run('create', '--json', '-b', 'small', 'new.cow'))).toMatchObject({
      warnings: [expect.any(String)],
    })
  })

  it.each(listPairs().map((pair) => pair.kind))('merge of %s', (kind) => {
    const { run } = unpacked(kind)
    const overlay = kind === 'cluster' ? 'cow.node0' : 'cow'
    checked('merge', run('merge', '--json', '--no-sync', '-b', 'root_fs', overlay, 'merged.img'))
    checked('merge', run('merge', '--json', '--dry-run', '-b', 'root_fs', overlay, 'other.img'))
  })

  it('rebase', () => {
    const { run } = unpacked()
    checked('rebase', run('rebase', '--json', '-u', '-b', 'root_fs', '--dry-run', 'cow'))
    checked('rebase', run('rebase', '--json', '-u', '-b', 'root_fs', 'cow'))
    expect(checked('rebase', run('rebase', '--json', '-u', '-b', 'root_fs', 'cow'))).toMatchObject({ changed: false })
  })
})

describe('errors with --json', () => {
  const refusals: [string, number, string[]][] = [
    ['ENOENT', 1, ['info', 'absent']],
    ['NOT_A_FILE', 1, ['info', '.']],
    ['NOT_COW', 63, ['merge', 'root_fs', 'new']],
    ['BACKING_MISSING', 1, ['merge', 'cow', 'new']],
    ['SAME_FILE', 4, ['merge', '-b', 'root_fs', 'cow', 'cow']],
    ['TARGET_EXISTS', 4, ['create', 'cow', '1M']],
    ['IN_PLACE_UNAVAILABLE', 4, ['merge', '-d', 'cow']],
    ['BACKING_SELF', 4, ['rebase', '-u', '-b', 'cow', 'cow']],
    ['OUT_OF_RANGE', 1, ['map', '--no-backing', '--start-offset', '1T', 'cow']],
    ['USAGE', 64, ['rebase', 'cow']],
  ]

  it.each(refusals)('%s, status %i', (code, status, args) => {
    const { run } = unpacked()
    const outcome = run(...args, '--json')
    expect(checked('error', outcome)).toMatchObject({ error: { code } })
    expect(outcome.status).toBe(status)
  })

  it('of every invalid fixture', () => {
    const directory = path.join(root, 'fixtures/invalid')
    for (const name of readdirSync(directory)) {
      const file = path.join(directory, name)
      const [code] = name.split('--')
      const document = checked('error', umlcow(['merge', '--json', '--dry-run', file, 'absent']))
      const found = (document as { error: { code: string } }).error.code
      // The backing file of these is looked for before their length.
      expect([code, 'BACKING_MISSING'], name).toContain(found)
    }
  }, 120_000)
})

describe('the validator', () => {
  const image = (): { [key: string]: Json } => {
    const { run } = unpacked()
    return checked('info', run('info', '--json', 'cow')) as { [key: string]: Json }
  }

  it('sees a missing key, a wrong type, a wrong value, an unlisted key', () => {
    const { format, ...withoutFormat } = image()
    expect(format).toBe('cow')
    expect(validate(schema('info'), withoutFormat)).not.toEqual([])
    expect(validate(schema('info'), { ...image(), 'virtual-size': '98304' })).not.toEqual([])
    expect(validate(schema('info'), { ...image(), 'virtual-size': -1 })).not.toEqual([])
    expect(validate(schema('info'), { ...image(), format: 'qcow2' })).not.toEqual([])
    expect(validate(schema('info'), { ...image(), children: [] })).toEqual([])
    expect(validate(schema('info'), { ...image(), children: [] }, { closed: true })).not.toEqual([])
    expect(validate(schema('info'), [image(), 1])).not.toEqual([])
  })

  const wrong: [string, { [key: string]: Json }, Json][] = [
    ['type', { type: 'integer' }, 1.5],
    ['type of several', { type: ['array', 'null'] }, {}],
    ['type object', { type: 'object' }, []],
    ['const', { const: 'a' }, 'b'],
    ['enum', { enum: [1, null] }, 2],
    ['minimum', { minimum: 0 }, -1],
    ['pattern', { pattern: '^E' }, 'xE'],
    ['required', { required: ['a'] }, { b: 1 }],
    ['properties', { properties: { a: { type: 'null' } } }, { a: 1 }],
    ['additionalProperties', { properties: { a: {} }, additionalProperties: { type: 'null' } }, { a: 1, b: 1 }],
    ['items', { items: { type: 'null' } }, [null, 1]],
    ['anyOf', { anyOf: [{ type: 'null' }, { type: 'string' }] }, 1],
    ['oneOf, none', { oneOf: [{ type: 'null' }, { type: 'string' }] }, 1],
    ['oneOf, two', { oneOf: [{ type: 'number' }, { type: 'integer' }] }, 1],
    ['$ref', { $defs: { a: { type: 'null' } }, $ref: '#/$defs/a' }, 1],
  ]
  it.each(wrong)('%s', (_, rule, value) => expect(validate(rule, value)).toHaveLength(1))

  it.each<[string, { [key: string]: Json }]>([
    ['a keyword', { maxLength: 3 }],
    ['a keyword in a definition that nothing uses', { $defs: { a: { not: {} } } }],
    ['a keyword in an alternative', { oneOf: [{ type: 'null' }, { if: {} }] }],
    ['a keyword that every object has', { constructor: {} }],
    ['a type', { type: 'int' }],
    ['a reference', { $ref: '#/$defs/absent' }],
    ['a reference to another file', { $ref: 'error.json' }],
  ])('throws for %s it does not know', (_, unknown) => expect(() => validate(unknown, null)).toThrow())
})
