import path from 'node:path'
import ts from 'typescript'

/**
 * Check a program that uses the installed package, as a strict compiler does that has no types of Node: with
 * `skipLibCheck` off for all but the libraries of TypeScript itself.
 *
 * @param home  a directory with `node_modules/umlcow`
 * @returns     what the compiler complains about
 */
export function problemsInTypes(home: string, text: string): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipDefaultLibCheck: true,
    noEmit: true,
  }
  const file = path.join(home, 'program.mts')
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = (name) => name === file || fileExists(name)
  host.getSourceFile = (name, how, ...more) =>
    name === file ? ts.createSourceFile(name, text, how) : getSourceFile(name, how, ...more)
  const program = ts.createProgram([file], options, host)
  const files = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(home))
  const found = [
    ...program.getOptionsDiagnostics(),
    ...files.flatMap((one) => [...program.getSyntacticDiagnostics(one), ...program.getSemanticDiagnostics(one)]),
  ]
  return found.map(({ file: place, messageText }) => {
    const where = place === undefined ? '' : `${path.relative(home, place.fileName)}: `
    return `${where}${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
}
