import path from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { root } from '../support/paths.js'

// Options of the command line reach the library by name. Given as a whole they would hand over whatever a verb takes, and
// a new option of a verb could become an option of the library that nobody chose.

const commandLine = path.join(root, 'src/cli/')

/** Types that hold the options of a verb are called so. */
function isFlags(type: ts.Type): boolean {
  if (type.isUnionOrIntersection()) return type.types.some((one) => isFlags(one))
  return [type.aliasSymbol?.name, type.symbol?.name].some((name) => name?.endsWith('Flags') === true)
}

/** Where a program hands options of the command line on as a whole. */
function handedOn(program: ts.Program, folder: string): string[] {
  const checker = program.getTypeChecker()
  const found: string[] = []
  const flagsAt = (node: ts.Node) => isFlags(checker.getTypeAtLocation(node))
  for (const file of program.getSourceFiles()) {
    if (!file.fileName.startsWith(folder)) continue
    const add = (node: ts.Node) => {
      const { line } = file.getLineAndCharacterOfPosition(node.getStart())
      found.push(`${path.relative(folder, file.fileName)}:${line + 1}: ${node.getText()}`)
    }
    const visit = (node: ts.Node): void => {
      if (ts.isSpreadAssignment(node) && flagsAt(node.expression)) add(node)
      // What is left of them is them.
      if (ts.isBindingElement(node) && node.dotDotDotToken && ts.isObjectBindingPattern(node.parent)) {
        if (flagsAt(node.parent)) add(node)
      }
      if (ts.isCallExpression(node) && !isWithin(checker, node, folder)) {
        for (const argument of node.arguments) if (flagsAt(argument)) add(node)
      }
      ts.forEachChild(node, visit)
    }
    visit(file)
  }
  return found
}

/** The function that is called stands in the folder. */
function isWithin(checker: ts.TypeChecker, call: ts.CallExpression, folder: string): boolean {
  const declaration = checker.getResolvedSignature(call)?.declaration
  return declaration?.getSourceFile().fileName.startsWith(folder) === true
}

describe('the options of the command line', () => {
  test('reach the library by name', () => {
    const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile)
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
    const program = ts.createProgram([path.join(commandLine, 'main.ts')], options)
    expect(program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(commandLine)).length).toBeGreaterThan(
      25,
    )
    expect(handedOn(program, commandLine)).toEqual([])
  })

  test.each([
    ['merge({ ...flags })', true],
    ['merge({ a: 1, ...flags, b: 2 })', true],
    ['merge({ ...(flags as MoreFlags) })', true],
    ['merge(flags)', true],
    ['const { sync, ...rest } = flags; merge(rest)', true],
    ['function inner({ sync, ...rest }: Flags) { merge(rest) }', true],
    ['const both: Common & Flags = flags; merge(both)', true],
    ['merge({ force: flags.force, noSync: !flags.sync })', false],
    ['const { force, sync } = flags; merge({ force, noSync: !sync })', false],
    ['own(flags)', false],
    ['const options = { force: flags.force }; merge({ ...options })', false],
  ])('%s: found %s', (line, isFound) => {
    const sources: Record<string, string> = {
      '/library.ts': 'export function merge(options: object): void { void options }',
      '/cli/a.ts': `import { merge } from '../library.js'
        interface Common { readonly quiet?: boolean }
        interface Flags extends Common { readonly force?: string; readonly sync: boolean }
        type MoreFlags = Flags & { readonly more?: string }
        function own(given: Flags): void { void given }
        export function run(flags: Flags): void { void own; ${line} }`,
    }
    const options: ts.CompilerOptions = { noLib: true, module: ts.ModuleKind.NodeNext }
    const host = ts.createCompilerHost(options)
    host.fileExists = (name) => name in sources
    host.readFile = (name) => sources[name]
    host.getSourceFile = (name, target) =>
      name in sources ? ts.createSourceFile(name, sources[name] ?? '', target, true) : undefined
    const program = ts.createProgram(['/cli/a.ts'], options, host)
    expect(handedOn(program, '/cli/').length > 0).toBe(isFound)
  })
})
