// Print docs/api.md with its reference made anew: node docs/make/api.js, or npm run docs to write it.
// The reference comes from the types and docstrings of the public entries.  A comment of one line in an entry becomes the
// heading of the exports below it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pagePath = path.join(root, 'docs/api.md')
const begin = '<!-- made by "npm run docs": begin -->\n'
const end = '<!-- made by "npm run docs": end -->\n'

// A name that two entries export is described under the first of them.
const entries = [
  { file: path.join(root, 'src/core.ts'), name: 'umlcow/core' },
  { file: path.join(root, 'src/index.ts'), name: 'umlcow' },
].filter(({ file }) => existsSync(file))

const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root)
const program = ts.createProgram(
  entries.map(({ file }) => file),
  options,
)
const checker = program.getTypeChecker()
const printer = ts.createPrinter({ removeComments: true })
const isType = ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias
const commonOptions = new Set(['files', 'signal', 'onProgress'])
const publicSymbols = new Set(entries.flatMap(({ file }) => exportsOfModule(file)).map(originOf))

function apiPage(page) {
  const [start, stop] = [page.indexOf(begin), page.indexOf(end)]
  if (start < 0 || stop < start) throw new Error(`${pagePath}: expected the two marks of "npm run docs"`)
  return `${page.slice(0, start + begin.length)}\n${reference()}\n${page.slice(stop)}`
}

function reference() {
  const described = new Set()
  const parts = entries.map(({ file, name }) => {
    const groups = groupsOf(file, described)
    return groups.length === 0 ? '' : `## ${name}\n\n${groups.map(groupText).join('\n\n')}`
  })
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function exportsOfModule(file) {
  return checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))
}

function originOf(symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

/** The exports of an entry by the headings in it, without those that are described already. */
function groupsOf(file, described) {
  const source = program.getSourceFile(file)
  const groups = new Map()
  const add = (heading, exported) => {
    const target = originOf(exported)
    if (described.has(target)) return
    described.add(target)
    groups.set(heading, [...(groups.get(heading) ?? []), { name: exported.name, symbol: target }])
  }
  let heading = 'Exports'
  for (const statement of source.statements) {
    heading = headingAbove(source, statement) ?? heading
    for (const exported of exportsOf(statement)) add(heading, exported)
  }
  return [...groups].map(([title, items]) => ({ title, items }))
}

/** The last comment of one line before a statement: docstrings and longer comments are no headings. */
function headingAbove(source, statement) {
  const ranges = ts.getLeadingCommentRanges(source.text, statement.getFullStart()) ?? []
  const comments = ranges
    .map(({ pos, end: stop }) => source.text.slice(pos, stop))
    .filter((text) => text.startsWith('// '))
  return comments.at(-1)?.slice('// '.length)
}

function exportsOf(statement) {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause, moduleSpecifier } = statement
    if (exportClause === undefined) {
      return checker.getExportsOfModule(checker.getSymbolAtLocation(moduleSpecifier))
    }
    return ts.isNamedExports(exportClause)
      ? exportClause.elements.map((element) => checker.getSymbolAtLocation(element.name))
      : []
  }
  const isExported = ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(isExportKeyword)
  return isExported && statement.name ? [checker.getSymbolAtLocation(statement.name)] : []
}

function isExportKeyword(modifier) {
  return modifier.kind === ts.SyntaxKind.ExportKeyword
}

function groupText({ title, items }) {
  const values = items.filter(({ symbol }) => !(symbol.flags & isType))
  const types = items.filter(({ symbol }) => symbol.flags & isType)
  const rows = types.map(({ name, symbol }) => {
    return `| \`${name}\` | ${cell(membersOf(symbol))} | ${cell(summaryOf(symbol) || usersOf(name, values))} |`
  })
  const table = rows.length === 0 ? [] : [['| type | has | |', '| --- | --- | --- |', ...rows].join('\n')]
  return [`### ${title}`, ...values.map(valueText), ...table].join('\n\n')
}

function valueText({ name, symbol }) {
  const thrown = thrownBy(symbol)
  const parts = [
    indented(declarationsOf(name, symbol)),
    wrapped(summaryOf(symbol)),
    thrown && wrapped(`Throws: ${thrown}.`),
  ]
  return parts.filter((text) => text !== '').join('\n\n')
}

/** A paragraph in lines of at most 120 columns. */
function wrapped(text) {
  return text.split(' ').reduce((lines, word) => {
    const width = lines.length - lines.lastIndexOf('\n') + word.length
    return lines === '' ? word : `${lines}${width > 120 ? '\n' : ' '}${word}`
  }, '')
}

/** No fence: fenced blocks of a page are examples that a test runs. */
function indented(lines) {
  return lines.map((line) => `    ${line}`).join('\n')
}

function declarationsOf(name, symbol) {
  const declaration = symbol.valueDeclaration
  if (symbol.flags & ts.SymbolFlags.Class) return classLines(name, declaration)
  const type = checker.getTypeOfSymbolAtLocation(symbol, declaration)
  const calls = type.getCallSignatures()
  if (calls.length === 0) return [`const ${name}: ${constantType(declaration, type)}`]
  return calls.map((call) => `function ${name}(${parametersOf(call)}): ${typeText(call.declaration.type)}`)
}

/** As they are written; one with a default shows as optional. */
function parametersOf({ declaration }) {
  return declaration.parameters
    .map((parameter) => {
      const { name, type, initializer, questionToken, dotDotDotToken } = parameter
      const text = type ? typeText(type) : checker.typeToString(checker.getTypeAtLocation(parameter))
      const shown = text.endsWith('Options') ? 'options' : name.getText()
      return `${dotDotDotToken ? '...' : ''}${shown}${initializer || questionToken ? '?' : ''}: ${text}`
    })
    .join(', ')
}

function constantType(declaration, type) {
  if (ts.isVariableDeclaration(declaration) && declaration.type) return typeText(declaration.type)
  if (type.flags & ts.TypeFlags.Literal) return checker.typeToString(type)
  const keys = type.getProperties().map((key) => key.name)
  return `{ ${keys.slice(0, 3).join(', ')}${keys.length > 3 ? ', ...' : ''} }`
}

function classLines(name, { heritageClauses = [], members }) {
  const fields = members.filter(ts.isPropertyDeclaration)
  return [
    `class ${name} ${heritageClauses.map((clause) => clause.getText()).join(' ')} {`,
    ...fields.map((field) => `  readonly ${field.name.getText()}: ${typeText(field.type)}`),
    '}',
  ]
}

/** The names of the fields and methods of a type, or how the type is written when it has none of its own. */
function membersOf(symbol) {
  const [declaration] = symbol.declarations
  if (ts.isTypeAliasDeclaration(declaration) && !ts.isTypeLiteralNode(declaration.type)) {
    return `\`${typeText(declaration.type)}\``
  }
  const properties = checker.getDeclaredTypeOfSymbol(symbol).getProperties()
  const shown = symbol.name.endsWith('Options') ? properties.filter(isOwnOption) : properties
  return shown.map(({ name, flags }) => `\`${name}${flags & ts.SymbolFlags.Method ? '()' : ''}\``).join(' ')
}

/** Neither what every operation takes nor a port of the host that only tests replace: its type has no public name. */
function isOwnOption(property) {
  const type = checker.getNonNullableType(checker.getTypeOfSymbol(property))
  const { symbol = type } = type
  const hasMethods = type.getProperties().some(({ flags }) => flags & ts.SymbolFlags.Method)
  const isPort = hasMethods && isOurs(symbol) && !publicSymbols.has(symbol)
  return !isPort && !commonOptions.has(property.name)
}

function isOurs({ declarations = [] }) {
  return declarations.some((declaration) => declaration.getSourceFile().fileName.startsWith(path.join(root, 'src/')))
}

/** Which functions of a group take or return a type that has no docstring. */
function usersOf(name, values) {
  const mentions = (node) => node?.getText().split(/\W/).includes(name)
  const declarations = values.map(({ symbol }) => symbol.valueDeclaration).filter(ts.isFunctionDeclaration)
  const named = (found) => found.map((declaration) => `\`${declaration.name.getText()}\``).join(', ')
  const takers = named(declarations.filter(({ parameters }) => parameters.some(mentions)))
  const givers = named(declarations.filter(({ type }) => mentions(type)))
  return takers === '' ? givers && `Returned by ${givers}.` : `Taken by ${takers}.`
}

/** The first paragraph of the docstring. */
function summaryOf(symbol) {
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker))
  return oneLine(text.split('\n\n')[0])
}

function thrownBy(symbol) {
  const tag = symbol.getJsDocTags(checker).find(({ name }) => name === 'throws')
  return oneLine(ts.displayPartsToString(tag?.text)).replace(/\.$/, '')
}

function typeText(node) {
  return oneLine(printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile())).replaceAll(/; }/g, ' }')
}

function oneLine(text) {
  return text.replaceAll(/\s+/g, ' ').trim()
}

function cell(text) {
  return text.replaceAll('|', '\\|')
}

const page = apiPage(readFileSync(pagePath, 'utf8'))
if (process.argv[2] === '--write') writeFileSync(pagePath, page)
else process.stdout.write(page)
