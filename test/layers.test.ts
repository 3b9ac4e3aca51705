import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { root } from './support/paths.js'

// Layers are folders and imports point one way. Each may import what stands before it, and itself; those of one line do
// not import each other.
const layers: readonly (readonly string[])[] = [
  ['errors'],
  ['bytes'],
  ['formats'],
  ['stores'],
  ['images'],
  ['filesystems'],
  ['engine'],
  ['machine'],
  ['overlays'],
  ['trees'],
  ['humfs'],
  ['verbs'],
  ['nbd', 'guest', 'inspector'],
  ['cli'],
]

/** Modules that reach the host's files or run its programs, and the only folders that may have them. */
const hostModules = new Set(['fs', 'fs/promises', 'child_process', 'worker_threads', 'cluster'])
const hostFolders = ['machine/', 'trees/host/']

/** Files elsewhere that may have one, and why. */
const hostExceptions: Readonly<Record<string, string>> = {
  'cli/main.ts': 'reads the version out of package.json',
  'cli/line-writer.ts': 'writes progress to a file descriptor that the caller opened',
}

/** Layers that run outside Node: no module and no global of it. `core` is their entry, and imports nothing else. */
const coreFolders = new Set(['errors', 'bytes', 'formats', 'stores', 'images', 'filesystems', 'engine'])

/** Globals of Node, its types included, that browsers lack. */
const nodeGlobals = new Set(['Buffer', 'process', 'NodeJS', 'setImmediate', 'clearImmediate', 'global', '__dirname'])

/** Files of the core that look for such a global, and do without where it is absent. */
const globalExceptions: Readonly<Record<string, string>> = {
  'bytes/fast.ts': 'Buffer',
  'bytes/next-turn.ts': 'setImmediate',
}

/** The only packages there are, and the folder that has them. */
const packageFolders: Readonly<Record<string, string>> = { commander: 'cli', 'cli-progress': 'cli' }

interface Edge {
  /** Path of a file below src/. */
  readonly from: string
  /** Path of a file below src/, or the name of a module. */
  readonly to: string
  readonly isLocal: boolean
}

type Sources = ReadonlyMap<string, string>

function readSources(): Sources {
  const directory = path.join(root, 'src')
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  return new Map(names.map((name) => [name, readFileSync(path.join(directory, name), 'utf8')]))
}

function edgesOf(sources: Sources): Edge[] {
  return [...sources].flatMap(([from, text]) => {
    const edges: Edge[] = []
    const add = (specifier: string) => {
      const isLocal = specifier.startsWith('.')
      const resolved = path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts')
      const to = isLocal ? resolved : specifier.replace(/^node:/, '')
      edges.push({ from, to, isLocal })
    }
    const visit = (node: ts.Node): void => {
      if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
        add((node.moduleSpecifier as ts.StringLiteral).text)
      } else if (ts.isCallExpression(node) && isImportCall(node)) {
        const [argument] = node.arguments
        if (argument === undefined || !ts.isStringLiteral(argument)) throw new Error(`${from}: an import of no literal`)
        add(argument.text)
      } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
        add((node.argument.literal as ts.StringLiteral).text)
      } else if (ts.isExternalModuleReference(node)) {
        add((node.expression as ts.StringLiteral).text)
      }
      ts.forEachChild(node, visit)
    }
    visit(ts.createSourceFile(from, text, ts.ScriptTarget.Latest, true))
    return edges
  })
}

function isImportCall(node: ts.CallExpression): boolean {
  const callee = node.expression
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true
  const name = ts.isPropertyAccessExpression(callee) ? callee.name.text : callee.getText()
  return name === 'require' || name === 'createRequire' || name === 'getBuiltinModule'
}

function folderOf(file: string): string {
  const slash = file.indexOf('/')
  return slash < 0 ? file.replace(/\.ts$/, '') : file.slice(0, slash)
}

function rankOf(folder: string): number {
  return layers.findIndex((layer) => layer.includes(folder))
}

/** What is wrong with an edge, or null. */
function violation(edge: Edge): string | null {
  const from = folderOf(edge.from)
  const shown = `${edge.from} -> ${edge.to}`
  if (!edge.isLocal) return moduleViolation(edge, from)
  const to = folderOf(edge.to)
  if (from === 'core') return coreFolders.has(to) ? null : `${shown}: the core has no ${to}`
  if (from === 'index') return to === 'cli' ? `${shown}: the library has no command line` : null
  if (rankOf(from) < 0) return `${shown}: ${from} is no layer`
  if (rankOf(to) < 0) return `${shown}: ${to} is no layer`
  if (from === to) return null
  return rankOf(to) < rankOf(from) ? null : `${shown}: ${from} may not import ${to}`
}

function moduleViolation({ from: file, to: module }: Edge, folder: string): string | null {
  const shown = `${file} -> ${module}`
  const isBuiltin = builtinModules.includes(module)
  if (!isBuiltin) {
    return packageFolders[module] === folder ? null : `${shown}: no package that ${folder} may have`
  }
  if (isCore(file)) return `${shown}: the core is free of Node`
  const isHostFile = hostFolders.some((one) => file.startsWith(one))
  if (!hostModules.has(module) || isHostFile || file in hostExceptions) return null
  return `${shown}: only ${hostFolders.join(' and ')} touch the host`
}

function violations(sources: Sources): string[] {
  return edgesOf(sources)
    .map(violation)
    .filter((text) => text !== null)
}

function isCore(file: string): boolean {
  return file === 'core.ts' || coreFolders.has(folderOf(file))
}

/** The globals of Node that files of the core name, in code or in types. */
function globalsInCore(sources: Sources): string[] {
  return [...sources].flatMap(([file, text]) => {
    if (!isCore(file)) return []
    const found = new Set<string>()
    const visit = (node: ts.Node): void => {
      if (ts.isIdentifier(node) && nodeGlobals.has(node.text)) found.add(node.text)
      ts.forEachChild(node, visit)
    }
    visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true))
    return [...found].filter((name) => globalExceptions[file] !== name).map((name) => `${file}: ${name}`)
  })
}

/** Questions about the user of this process, which only the ports answer. */
const identityCalls = new Set(['getuid', 'geteuid', 'getgid', 'getegid', 'getgroups', 'umask'])

/** Calls of `process` outside of the host's folders that ask who the user is. */
function identityOutsidePorts(sources: Sources): string[] {
  return [...sources].flatMap(([file, text]) => {
    if (hostFolders.some((one) => file.startsWith(one))) return []
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      const isAsked = ts.isPropertyAccessExpression(node) && identityCalls.has(node.name.text)
      if (isAsked && node.expression.getText() === 'process') found.push(`${file}: process.${node.name.text}`)
      ts.forEachChild(node, visit)
    }
    visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true))
    return found
  })
}

/** Names that two files declare and export. */
function namesExportedTwice(sources: Sources): string[] {
  const filesOf = new Map<string, Set<string>>()
  for (const [file, text] of sources) {
    for (const statement of ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true).statements) {
      for (const name of exportedNames(statement)) filesOf.set(name, (filesOf.get(name) ?? new Set()).add(file))
    }
  }
  return [...filesOf].filter(([, files]) => files.size > 1).map(([name, files]) => `${name}: ${[...files].join(', ')}`)
}

function exportedNames(statement: ts.Statement): string[] {
  const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : []
  if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return []
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  }
  const { name } = statement as ts.Statement & { readonly name?: ts.Identifier }
  return name === undefined ? [] : [name.text]
}

/** The files of a circle of imports, those of types too, or null. */
function findCycle(sources: Sources): string[] | null {
  const next = new Map([...sources.keys()].map((file): [string, string[]] => [file, []]))
  for (const { from, to, isLocal } of edgesOf(sources)) {
    if (isLocal) next.get(from)?.push(to)
  }
  const finished = new Set<string>()
  const search = (file: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file]
    if (finished.has(file)) return null
    for (const imported of next.get(file) ?? []) {
      const cycle = search(imported, [...trail, file])
      if (cycle !== null) return cycle
    }
    finished.add(file)
    return null
  }
  for (const file of next.keys()) {
    const cycle = search(file, [])
    if (cycle !== null) return cycle
  }
  return null
}

describe('src', () => {
  const sources = readSources()

  test('is read: every layer that has files shows up', () => {
    const folders = new Set([...sources.keys()].map(folderOf))
    for (const folder of ['errors', 'bytes', 'formats', 'stores', 'images', 'engine', 'machine', 'overlays', 'cli']) {
      expect(folders).toContain(folder)
    }
    expect(edgesOf(sources).length).toBeGreaterThan(sources.size)
  })

  test('has no folder that is no layer', () => {
    const strangers = [...sources.keys()].map(folderOf).filter((folder) => rankOf(folder) < 0)
    expect(strangers.sort()).toEqual(['core', 'index'])
  })

  test('has no forbidden import', () => {
    expect(violations(sources)).toEqual([])
  })

  test('names no global of Node in the core', () => {
    expect(globalsInCore(sources)).toEqual([])
  })

  test('imports only files that are there', () => {
    const missing = edgesOf(sources).filter((edge) => edge.isLocal && !sources.has(edge.to))
    expect(missing).toEqual([])
  })

  test('has no circle of imports between files', () => {
    expect(findCycle(sources)).toBeNull()
  })

  test('is mapped by docs/source.md: its folders in their order, and files that exist', () => {
    const page = readFileSync(path.join(root, 'docs/source.md'), 'utf8')
    const [map = '', , places = ''] = page.split('\n## ')
    const mapped = [...map.matchAll(/^\| `([a-z]+)(?:\/|\.ts)` \|/gm)].map(([, folder]) => folder!)
    const existing = new Set([...sources.keys()].map(folderOf))
    expect(mapped).toEqual(layers.flat().filter((layer) => existing.has(layer)))
    const files = [...places.matchAll(/`([a-z/-]+\/[a-z-]+\.ts)`/g)].map(([, file]) => file!)
    expect(files.length).toBeGreaterThan(5)
    for (const file of files) expect([...sources.keys()]).toContain(file)
  })

  test('asks for the user through the ports', () => {
    expect(identityOutsidePorts(sources)).toEqual([])
  })

  test('has one meaning for each exported name', () => {
    expect(namesExportedTwice(sources)).toEqual([])
  })

  test('needs every exception that is granted here', () => {
    for (const [file, name] of Object.entries(globalExceptions)) expect(sources.get(file)).toContain(name)
    const used = edgesOf(sources)
      .filter((edge) => hostModules.has(edge.to))
      .map((edge) => edge.from)
    for (const file of Object.keys(hostExceptions)) expect(used).toContain(file)
  })

  test('names node modules with the prefix', () => {
    const bare = [...sources].flatMap(([file, text]) =>
      ts
        .preProcessFile(text)
        .importedFiles.filter(({ fileName }) => builtinModules.includes(fileName))
        .map(({ fileName }) => `${file} -> ${fileName}`),
    )
    expect(bare).toEqual([])
  })
})

describe('the reader of imports', () => {
  const one = (file: string, line: string) => violations(new Map([[file, line]]))

  test.each([
    ['bytes/a.ts', "import { b } from '../formats/b.js'"],
    ['bytes/a.ts', "import type { b } from '../formats/cow/b.js'"],
    ['bytes/a.ts', "import {\n  b,\n  c,\n} from '../stores/b.js'"],
    ['bytes/a.ts', "import '../images/b.js'"],
    ['bytes/a.ts', "export { b } from '../machine/b.js'"],
    ['bytes/a.ts', "export * from '../engine/b.js'"],
    ['verbs/a.ts', "const b = await import('../cli/b.js')"],
    ['verbs/a.ts', "type B = import('../cli/b.js').B"],
    ['verbs/a.ts', "import b = require('../cli/b.js')"],
    ['verbs/a.ts', "const b = require('../cli/b.js')"],
    ['errors.ts', "import { b } from './bytes/b.js'"],
    ['formats/cow/a.ts', "import { b } from '../../stores/b.js'"],
    ['stores/a.ts', "import { b } from '../images/b.js'"],
    ['images/a.ts', "import { b } from '../machine/b.js'"],
    ['images/a.ts', "import { b } from '../filesystems/b.js'"],
    ['filesystems/ext/a.ts', "import { b } from '../../engine/b.js'"],
    ['filesystems/ext/a.ts', "import fs from 'node:fs'"],
    ['machine/a.ts', "import { b } from '../overlays/b.js'"],
    ['engine/a.ts', "import { b } from '../machine/b.js'"],
    ['stores/a.ts', "import fs from 'node:fs'"],
    ['overlays/a.ts', "import fs from 'node:fs'"],
    ['trees/a.ts', "import fs from 'node:fs'"],
    ['engine/a.ts', "import { b } from '../verbs/b.js'"],
    ['humfs/a.ts', "import { b } from '../verbs/b.js'"],
    ['verbs/a.ts', "import { b } from '../nbd/b.js'"],
    ['guest/a.ts', "import { b } from '../inspector/b.js'"],
    ['inspector/a.ts', "import { b } from '../nbd/b.js'"],
    ['inspector/a.ts', "import { b } from '../cli/b.js'"],
    ['trees/a.ts', "import { b } from '../humfs/b.js'"],
    ['trees/a.ts', "import { b } from '../cli/b.js'"],
    ['index.ts', "import { b } from './cli/b.js'"],
    ['cli/a.ts', "import { b } from '../index.js'"],
    ['cli/commands/a.ts', "import { b } from '../../utils/b.js'"],
    ['utils/a.ts', "import { b } from '../bytes/b.js'"],
    ['images/a.ts', "import fs from 'node:fs'"],
    ['engine/a.ts', "import { open } from 'node:fs/promises'"],
    ['verbs/a.ts', "import fs from 'fs'"],
    ['cli/commands/a.ts', "import { spawn } from 'node:child_process'"],
    ['index.ts', "export { readFile } from 'node:fs/promises'"],
    ['verbs/a.ts', "const fs = process.getBuiltinModule('node:fs')"],
    ['formats/cow/a.ts', "import path from 'node:path'"],
    ['formats/picture/a.ts', "import { deflateSync } from 'node:zlib'"],
    ['engine/a.ts', "import { setImmediate } from 'node:timers/promises'"],
    ['stores/a.ts', "import type { Blob } from 'node:buffer'"],
    ['core.ts', "import { Buffer } from 'node:buffer'"],
    ['core.ts', "export { b } from './machine/b.js'"],
    ['core.ts', "export type { B } from './overlays/b.js'"],
    ['verbs/a.ts', "import { b } from '../core.js'"],
    ['verbs/a.ts', "import { Command } from 'commander'"],
    ['cli/a.ts', "import lodash from 'lodash'"],
  ])('forbids in %s: %s', (file, line) => {
    expect(one(file, line)).toHaveLength(1)
  })

  test.each([
    ['bytes/a.ts', "import { b } from './b.js'"],
    ['bytes/a.ts', "import { b } from '../errors.js'"],
    ['formats/cow/a.ts', "import { b } from '../../bytes/b.js'"],
    ['formats/cow/a.ts', "import { b } from '../qcow2/b.js'"],
    ['filesystems/ext/a.ts', "import { b } from '../../images/b.js'"],
    ['engine/a.ts', "import { b } from '../filesystems/b.js'"],
    ['machine/a.ts', "import fs from 'node:fs'"],
    ['machine/stores/a.ts', "import fs from 'node:fs'"],
    ['trees/host/a.ts', "import fs from 'node:fs'"],
    ['core.ts', "export { b } from './engine/b.js'"],
    ['verbs/a.ts', "import { setImmediate } from 'node:timers/promises'"],
    ['index.ts', "export * from './core.js'"],
    ['cli/main.ts', "import { readFileSync } from 'node:fs'"],
    ['cli/commands/a.ts', "import { b } from '../../nbd/b.js'"],
    ['cli/a.ts', "import { Command } from 'commander'"],
    ['index.ts', "export { b } from './verbs/b.js'"],
    ['bytes/a.ts', "// import { b } from '../cli/b.js'\nconst text = \"import '../cli/b.js'\""],
  ])('allows in %s: %s', (file, line) => {
    expect(one(file, line)).toEqual([])
  })

  test.each([
    ['bytes/a.ts', 'export const a = Buffer.alloc(1)', 'Buffer'],
    ['formats/cow/a.ts', 'export type A = Uint8Array | Buffer', 'Buffer'],
    ['stores/a.ts', 'const a = globalThis.Buffer', 'Buffer'],
    ['images/a.ts', 'const a = process.platform', 'process'],
    ['engine/a.ts', 'setImmediate(() => {})', 'setImmediate'],
    ['errors.ts', 'export type A = NodeJS.ErrnoException', 'NodeJS'],
    ['core.ts', 'export const a: Buffer | null = null', 'Buffer'],
    ['bytes/fast.ts', 'const a = process', 'process'],
  ])('forbids in %s: %s', (file, line, name) => {
    expect(globalsInCore(new Map([[file, line]]))).toEqual([`${file}: ${name}`])
  })

  test.each([
    ['bytes/fast.ts', 'const a = Buffer'],
    ['bytes/a.ts', "// Buffer\nexport const a: ArrayBuffer = new ArrayBuffer(1), b = 'Buffer'"],
    ['machine/a.ts', 'const a = Buffer.alloc(process.pid)'],
  ])('allows in %s: %s', (file, line) => {
    expect(globalsInCore(new Map([[file, line]]))).toEqual([])
  })

  test('finds who asks for the user elsewhere', () => {
    const text = 'const uid = process.geteuid?.() ?? 0'
    expect(identityOutsidePorts(new Map([['verbs/a.ts', text]]))).toEqual(['verbs/a.ts: process.geteuid'])
    expect(identityOutsidePorts(new Map([['machine/a.ts', text]]))).toEqual([])
    expect(identityOutsidePorts(new Map([['verbs/a.ts', 'const { pid } = process']]))).toEqual([])
  })

  test('finds a name that two files export', () => {
    const twice = new Map([
      ['bytes/a.ts', 'export function a() {}\nexport const b = 1, c = 2'],
      ['formats/b.ts', "export interface b {}\nexport { a } from '../bytes/a.js'"],
    ])
    expect(namesExportedTwice(twice)).toEqual(['b: bytes/a.ts, formats/b.ts'])
  })

  test('finds a circle, also through an import of types', () => {
    const circle = (b: string) =>
      new Map([
        ['bytes/a.ts', "import { b } from './b.js'"],
        ['bytes/b.ts', "import { c } from './c.js'"],
        ['bytes/c.ts', b],
      ])
    expect(findCycle(circle("import { a } from './a.js'"))).toEqual([
      'bytes/a.ts',
      'bytes/b.ts',
      'bytes/c.ts',
      'bytes/a.ts',
    ])
    expect(findCycle(circle("import type { A } from './a.js'"))).toHaveLength(4)
    expect(findCycle(circle("import { d } from './d.js'"))).toBeNull()
    expect(findCycle(circle("import { c } from './c.js'"))).toEqual(['bytes/c.ts', 'bytes/c.ts'])
  })
})
