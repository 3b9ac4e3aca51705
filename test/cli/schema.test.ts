import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPairs, unpackPair } from '../../fixtures/unpack.js'
import { errorCodes } from '../../src/errors.js'
import { type Outcome, umlcow } from '../support/command.js'
import { extentNode, HandExt } from '../support/ext-by-hand.js'
import { assertUsableSchema, type Json, validate } from '../support/json-schema.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { killMerge } from './killed.js'

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
    expect(names.sort()).toEqual([
      'check',
      'compact',
      'convert',
      'copy',
      'create',
      'df',
      'diff',
      'error',
      'extract',
      'humfs-check',
      'humfs-export',
      'humfs-import',
      'humfs-info',
      'humfs-restore',
      'humfsify',
      'info',
      'ls',
      'map',
      'merge',
      'merge-in-place',
      'merge-status',
      'pack',
      'progress',
      'rebase',
      'reset',
      'stat',
      'tar',
      'unpack',
    ])
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

  it('of files and of bytes that differ', () => {
    const { run } = unpacked('ext4')
    checked('diff', run('diff', '--json', '-b', 'root_fs', 'cow'))
    checked('diff', run('diff', '--json', '--ranges', '-b', 'root_fs', 'cow'))
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

describe('ls --json, stat --json and df --json', () => {
  it('of the files of an overlay', () => {
    const { run } = unpacked('ext4')
    const listed = checked('ls', run('ls', '--json', '-aR', '--names', '-b', 'root_fs', 'cow'))
    expect(JSON.stringify(listed)).toContain('"path":"/lost+found"')
    expect(checked('stat', run('stat', '--json', '--names', '-b', 'root_fs', 'cow', '/', '/lost+found'))).toHaveLength(
      2,
    )
    expect(checked('df', run('df', '--json', '-b', 'root_fs', 'cow'))).toMatchObject({ image: 'cow', type: 'ext4' })
    expect(checked('error', run('ls', '--json', '-b', 'root_fs', 'cow', '/none'))).toMatchObject({
      error: { code: 'FS_NOT_FOUND' },
    })
  })

  it('of names and devices of all kinds', () => {
    const hand = new HandExt()
    hand.file(Buffer.from([0xff]), 12, { type: 'symlink', size: 1, blocks: 0, map: Buffer.alloc(60, 0xfe) })
    hand.file('null', 13, { type: 'character', map: [0x103] })
    hand.file('file', 14, { flags: 0x80000, size: 1024, map: extentNode(0, [[0, 1 + 32768, 30]]) })
    const image = path.join(temporaryDirectory(), 'image')
    writeFileSync(image, hand.bytes)
    expect(checked('ls', umlcow(['ls', '--json', image]))).toMatchObject([
      { path: '/file', type: 'file', mode: '0644' },
      { path: '/null', device: { major: 1, minor: 3 } },
      { path: String.raw`/\xff`, 'path-base64': 'L/8=', target: String.raw`\xfe`, 'target-base64': '/g==' },
    ])
    const extents = [{ logical: 0, physical: 30, length: 1, unwritten: true }]
    expect(checked('stat', umlcow(['stat', '--json', image, '/file']))).toMatchObject([{ extents }])
    expect(checked('ls', umlcow(['ls', '--json', '--type', 'd', image]))).toEqual([])
    expect(checked('map', umlcow(['map', '--json', '--owners', image]))).toContainEqual(
      expect.objectContaining({ start: 20 * 1024, owner: 'directories' }),
    )
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

  it('convert and compact', () => {
    const { run, pair } = unpacked()
    const overlay = path.basename(pair.paths.overlays[0]!)
    const over = ['-b', 'root_fs', '-B', 'root_fs', '-o', 'cluster_size=4k']
    checked('convert', run('convert', '--json', '--no-sync', '-b', 'root_fs', overlay, 'new.img'))
    checked('convert', run('convert', '--json', '--no-sync', '-O', 'qcow2', ...over, overlay, 'q'))
    checked('convert', run('convert', '--json', '--dry-run', '-O', 'cow', '-B', 'root_fs', 'q', 'new.cow'))
    checked('compact', run('compact', '--json', '--no-sync', 'q'))
    checked('compact', run('compact', '--json', '--dry-run', '-o', 'other', 'q'))
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

  it('copy', () => {
    const { run, directory } = unpacked()
    mkdirSync(path.join(directory, 'new'))
    const copied = checked('copy', run('copy', '--json', '-p', '--no-sync', 'root_fs', 'cow', 'new'))
    expect(copied).toMatchObject({ copies: [{ format: 'raw' }, { format: 'cow' }], 'dry-run': false })
    checked('copy', run('copy', '--json', '-n', 'root_fs', 'absent'))
  })

  it('rebase', () => {
    const { run } = unpacked()
    checked('rebase', run('rebase', '--json', '-u', '-b', 'root_fs', '--dry-run', 'cow'))
    checked('rebase', run('rebase', '--json', '-u', '-b', 'root_fs', 'cow'))
    expect(checked('rebase', run('rebase', '--json', '-u', '-b', 'root_fs', 'cow'))).toMatchObject({ changed: false })
  })
})

describe('what merges in place, with --json', () => {
  /** A pair whose overlay finds its backing file, and a sibling. */
  function withSibling(kind = 'v3') {
    const scene = unpacked(kind)
    scene.run('rebase', '-u', '-b', scene.file('root_fs'), 'cow')
    expect(scene.run('create', '-b', 'root_fs', 'sibling').status).toBe(0)
    return scene
  }
  const nothing = { 'unfinished-merge': null }

  it('merge -d, to be done, done, and done already', () => {
    const { run, file } = withSibling()
    const merge = (...args: string[]) => checked('merge-in-place', run('merge', '-d', '--json', ...args, 'cow'))
    const common = { overlay: file('cow'), 'backing-filename': file('root_fs'), changed: true, resumed: false }
    const options = ['--keep-siblings', '--verify', '--backup', 'undo']
    expect(merge('--dry-run', ...options)).toMatchObject({ ...common, 'dry-run': true, 'backing-mtime': null })
    expect(merge(...options)).toMatchObject({
      ...common,
      'overlay-afterwards': 'keep',
      'backing-mtime': expect.any(Number),
      siblings: [{ filename: file('sibling'), 'bytes-copied': expect.any(Number) }],
      backup: 'undo',
      verified: expect.stringMatching(/^(disk|cache)$/),
    })
    expect(merge('--keep-siblings')).toMatchObject({ changed: false, 'backing-mtime': null, verified: null })
  })

  it('merge -d that leaves siblings, with a warning', () => {
    const { run, file } = withSibling()
    expect(checked('merge-in-place', run('merge', '-d', '--json', '--force=siblings', 'cow'))).toMatchObject({
      siblings: [],
      'siblings-left': [file('sibling')],
      warnings: [expect.stringContaining('sibling')],
    })
  })

  it.each(['leave', 'reset', 'delete'])('merge -d --%s', (afterwards) => {
    const { run } = withSibling()
    const args = ['-d', '--json', '--keep-siblings', `--${afterwards}`, 'cow']
    expect(checked('merge-in-place', run('merge', ...args))).toMatchObject({ 'overlay-afterwards': afterwards })
  })

  it('commit', () => {
    const { run } = withSibling()
    const args = ['--json', '--keep-siblings', 'cow']
    expect(checked('merge-in-place', run('commit', '--dry-run', ...args))).toMatchObject({ 'dry-run': true })
    expect(checked('merge-in-place', run('commit', ...args))).toMatchObject({ 'overlay-afterwards': 'reset' })
  })

  it('reset', () => {
    const { run } = withSibling()
    expect(checked('reset', run('reset', '--json', '--dry-run', 'cow'))).toMatchObject({ 'dry-run': true })
    expect(checked('reset', run('reset', '--json', 'cow'))).toMatchObject({ 'sectors-discarded': expect.any(Number) })
  })

  it('reset of an old version tells that it is version 3 now', () => {
    const { run } = unpacked('v2')
    run('rebase', '-u', '-b', 'root_fs', 'cow')
    expect(checked('reset', run('reset', '--json', 'cow'))).toMatchObject({ warnings: [expect.any(String)] })
  })

  it('--status, and info and check, without an unfinished merge', () => {
    const { run } = withSibling()
    for (const name of ['cow', 'root_fs', 'sibling']) {
      expect(checked('merge-status', run('merge', '--status', '--json', name))).toEqual(nothing)
    }
    expect(checked('info', run('info', '--json', 'root_fs'))).not.toHaveProperty('format-specific')
  })

  it.each(['preparing', 'writing'] as const)('an unfinished merge: --status, info, check, --resume (%s)', (phase) => {
    const { run, file } = withSibling()
    killMerge(file('cow'), phase, { keepSiblings: true })
    for (const name of ['cow', 'root_fs']) {
      expect(checked('merge-status', run('merge', '--status', '--json', name))).toMatchObject({
        'unfinished-merge': { phase, 'process-state': 'ended', hint: `umlcow merge --resume ${file('cow')}` },
      })
      const unfinished = { code: 'UNFINISHED_MERGE', hint: `umlcow merge --resume ${file('cow')}` }
      expect(checked('info', run('info', '--json', name))).toMatchObject({
        'format-specific': { data: { 'unfinished-merge': unfinished } },
      })
      expect(checked('check', run('check', '--json', name))).toMatchObject({
        corruptions: expect.any(Number),
        format: name === 'cow' ? 'cow' : 'raw',
      })
    }
    const state = phase === 'preparing' ? 'unfinished-merge' : 'mtime'
    expect(checked('info', run('info', '--json', 'sibling'))).toMatchObject({
      'format-specific': { data: { 'backing-state': state, 'unfinished-merge': null } },
    })
    expect(checked('error', run('merge', '-d', '--json', 'cow'))).toMatchObject({ error: { code: 'UNFINISHED_MERGE' } })
    expect(checked('merge-in-place', run('merge', '--resume', '--json', 'root_fs'))).toMatchObject({
      resumed: true,
      siblings: [{ filename: file('sibling') }],
    })
    expect(checked('merge-status', run('merge', '--status', '--json', 'cow'))).toEqual(nothing)
  })

  it.each([
    ['preparing', 'old', []],
    ['writing', 'mixed', ['cow', 'sibling']],
    ['merged', 'merged', []],
  ] as const)('--abandon of one that was %s: %s', (phase, content, usable) => {
    const { run, file } = withSibling()
    killMerge(file('cow'), phase, { keepSiblings: true })
    expect(checked('merge-status', run('merge', '--abandon', '--json', 'cow'))).toEqual({
      abandoned: {
        overlay: file('cow'),
        'backing-filename': file('root_fs'),
        content,
        usable: usable.map(file),
        removed: ['root_fs.umlcow-merging', 'cow.umlcow-journal'].map(file),
        warnings: [],
      },
    })
  })

  it('of a marker whose journal is gone', () => {
    const { run, file } = withSibling()
    killMerge(file('cow'), 'preparing', { keepSiblings: true })
    rmSync(file('cow.umlcow-journal'))
    expect(checked('merge-status', run('merge', '--status', '--json', 'root_fs'))).toMatchObject({
      'unfinished-merge': { phase: null, hint: `umlcow merge --abandon ${file('root_fs')}` },
    })
    expect(checked('error', run('merge', '--resume', '--json', 'root_fs'))).toMatchObject({
      error: { code: 'JOURNAL_DAMAGED' },
    })
    expect(checked('merge-status', run('merge', '--abandon', '--json', 'root_fs'))).toMatchObject({
      abandoned: { content: 'unknown', 'backing-filename': null },
    })
  })

  it('of a journal that is none', () => {
    const { run, file } = withSibling()
    writeFileSync(file('cow.umlcow-journal'), 'my notes')
    expect(checked('info', run('info', '--json', 'cow'))).toMatchObject({
      'format-specific': { data: { 'unfinished-merge': { code: 'JOURNAL_DAMAGED' } } },
    })
    checked('check', run('check', '--json', 'cow'))
    for (const verb of ['--status', '--resume', '--abandon']) {
      expect(checked('error', run('merge', verb, '--json', 'cow'))).toMatchObject({
        error: { code: 'JOURNAL_DAMAGED' },
      })
    }
  })
})

describe('errors with --json', () => {
  const refusals: [string, number, string[]][] = [
    ['ENOENT', 1, ['info', 'absent']],
    ['NOT_A_FILE', 1, ['info', '.']],
    ['NOT_COW', 63, ['merge', 'root_fs', 'new']],
    ['BACKING_MISSING', 1, ['merge', 'cow', 'new']],
    ['SAME_FILE', 4, ['merge', '-b', 'root_fs', 'cow', 'cow']],
    ['TARGET_EXISTS', 4, ['create', 'cow', '-b', 'root_fs']],
    ['TARGET_PROTECTED', 4, ['create', 'cow', '1M']],
    ['BACKING_MISSING', 1, ['merge', '-d', 'cow']],
    ['BACKING_MISSING', 1, ['commit', 'cow']],
    ['NOTHING_UNFINISHED', 1, ['merge', '--resume', 'cow']],
    ['NOTHING_UNFINISHED', 1, ['merge', '--abandon', 'root_fs']],
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
      // The backing file of these is looked for before their length. What has the magic of qcow2 is read as such an image.
      const others = ['BACKING_MISSING', ...(name === 'NOT_COW--qcow2.cow' ? ['QCOW2_HEADER'] : [])]
      expect([code, ...others], name).toContain(found)
    }
  })
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

describe('what humfs commands print, with --json', () => {
  it('humfsify, humfs info, humfs check, humfs export and humfs restore', () => {
    const cwd = temporaryDirectory()
    mkdirSync(path.join(cwd, 'data/dir'), { recursive: true })
    writeFileSync(path.join(cwd, 'data/dir/file'), 'x')
    const run = (...args: string[]) => umlcow(args, { cwd })
    const ids = [`${process.geteuid?.()}`, `${process.getegid?.()}`]
    checked('humfsify', run('humfsify', '--json', '--dry-run', ...ids, '1G'))
    expect(checked('humfsify', run('humfsify', '--json', ...ids, '1G'))).toMatchObject({ entries: 3, total: 2 ** 30 })
    expect(checked('error', run('humfsify', '--json', ...ids, '1G'))).toMatchObject({ error: { code: 'HUMFS_EXISTS' } })
    expect(checked('humfs-info', run('humfs', 'info', '--json'))).toMatchObject({ counts: { file: 1, directory: 2 } })
    expect(checked('humfs-check', run('humfs', 'check', '--json'))).toMatchObject({ findings: [] })
    const exporting = ['humfs', 'export', '--json', '--no-sync', '--to']
    checked('humfs-export', run(...exporting, 'tar', '--dry-run', 'out'))
    expect(checked('humfs-export', run(...exporting, 'squashfs', '--exclude-file', 'ef', 'out'))).toMatchObject({
      entries: 3,
      'file-bytes': 1,
    })
    expect(checked('error', run(...exporting, 'tar', 'out'))).toMatchObject({ error: { code: 'TARGET_EXISTS' } })
    writeFileSync(path.join(cwd, 'data/new'), '')
    const damaged = run('humfs', 'check', '--json')
    expect(damaged.status).toBe(2)
    expect(checked('humfs-check', damaged)).toMatchObject({ damage: 1, findings: [{ code: 'no-entry' }] })
    rmSync(path.join(cwd, 'data/new'))
    checked('humfs-restore', run('humfs', 'restore', '--json', '--dry-run', cwd))
    expect(checked('humfs-restore', run('humfsify', '-r', '--json'))).toMatchObject({ entries: 3, undone: false })
    expect(run('humfs', 'check')).toMatchObject({ status: 63, stdout: '' })
  })

  it('humfs import', () => {
    const cwd = temporaryDirectory()
    writeFileSync(
      path.join(cwd, 'text'),
      '#mtree\n. type=dir mode=755 uid=0 gid=0\n./f type=file mode=4755 uid=5 gid=6\n',
    )
    mkdirSync(path.join(cwd, 'files'))
    writeFileSync(path.join(cwd, 'files/f'), 'x')
    const run = (...args: string[]) => umlcow(['humfs', 'import', '--json', '--from', ...args], { cwd })
    const mtree = ['mtree', '--tree', 'files', 'text']
    expect(checked('humfs-import', run(...mtree, '-n'))).toMatchObject({ directory: null, used: null, entries: 2 })
    expect(checked('humfs-import', run(...mtree, 'new'))).toMatchObject({
      directory: 'new',
      'dry-run': false,
      entries: 2,
    })
    expect(checked('error', run(...mtree, 'new'))).toMatchObject({ error: { code: 'TARGET_EXISTS' } })
    expect(checked('error', run('tar', 'text', 'other'))).toMatchObject({ error: { code: 'NOT_ARCHIVE' } })
  })
})
