import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { commandPath, withoutUnseenTold } from '../support/command.js'
import { commandsOf, type Example, examplesOf } from '../support/page-examples.js'
import { diskDirectory, root, temporaryDirectory } from '../support/paths.js'

const docs = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'))
/** The pages with examples. Those of the other pages take hours, root, or a benchmark's tools. */
const pages = ['README.md', ...docs.map((name) => `docs/${name}`)]

/** A directory with what the examples use: an overlay, its backing file, a tree, and umlcow as command and library. */
function makeScene(): string {
  // The pages show the sizes that directories have on a disk.
  const scene = temporaryDirectory(diskDirectory)
  unpackPair('ext4', scene)
  mkdirSync(path.join(scene, 'tree/data/bin'), { recursive: true })
  mkdirSync(path.join(scene, 'tree/data/etc'))
  writeFileSync(path.join(scene, 'tree/data/etc/passwd'), 'root:x:0:0::/:/bin/sh\n')
  writeFileSync(path.join(scene, 'tree/data/bin/su'), '#'.repeat(35_000))
  chmodSync(path.join(scene, 'tree/data/bin/su'), 0o4755)
  symlinkSync('su', path.join(scene, 'tree/data/bin/sudo'))
  mkdirSync(path.join(scene, '.bin'))
  symlinkSync(commandPath, path.join(scene, '.bin/umlcow'))
  mkdirSync(path.join(scene, 'node_modules'))
  symlinkSync(root, path.join(scene, 'node_modules/umlcow'))
  return scene
}

function run(scene: string, program: string, args: readonly string[]) {
  const searched = `${path.join(scene, '.bin')}:${process.env['PATH']}`
  const done = spawnSync(program, args, { cwd: scene, encoding: 'utf8', env: { ...process.env, PATH: searched } })
  return withoutUnseenTold({ status: done.status, stdout: done.stdout, stderr: done.stderr })
}

/** Without what differs between machines, users and runs; the pages show /srv/uml as the directory. */
function portable(text: string, scene: string): string {
  const lines = text.trim().replaceAll(scene, '/srv/uml').split('\n')
  return lines
    .filter((line) => !line.startsWith('disk size: '))
    .map((line) => (line.startsWith('in use: ') ? line.split(' (')[0]! : line))
    .map((line) => (line.startsWith('new modification time: ') ? line.split(': ')[0]! : line))
    .map((line) => line.replace(/humfs of \d+:\d+/, 'humfs of UID:GID'))
    .join('\n')
}

/** In one shell, so that `$?` is the status of the command above. Standard error comes between the lines of output. */
function runConsole({ code }: Example, scene: string): void {
  const commands = commandsOf(code)
  expect(commands.length).toBeGreaterThan(0)
  const script = commands.map(({ command }) => `{ ${command}\n} 2>&1; status=$?; printf '\\0'; (exit $status)`)
  const { stdout } = run(scene, 'bash', ['-c', script.join('\n')])
  const printed = stdout.split('\0')
  for (const [i, { command, output }] of commands.entries()) {
    const shown = withoutUnseenTold({ stdout: '', stderr: printed[i] ?? '' }).stderr
    expect(`$ ${command}\n${portable(shown, scene)}`).toBe(`$ ${command}\n${portable(output, scene)}`)
  }
}

/** The programs of a block of shell lines: the first word of each, and of each part behind `&&`. */
function programsOf(code: string): string[] {
  const parts = code.split(/\n|&&/).map((part) => part.trim().replace('(', ''))
  return [...new Set(parts.map((part) => part.split(' ')[0]!))].filter((word) => !['', 'umlcow', 'cd'].includes(word))
}

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** What a script of the project needs is too much for a test: that it is there is enough. */
function isScript(code: string): boolean {
  return code.split('\n').every((line) => /^(npm|node (bench|fixtures)\/)/.test(line) || line === '')
}

function checkScripts(code: string): void {
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  for (const [, name] of code.matchAll(/npm run ([a-z:]+)/g)) expect(scripts).toHaveProperty([name!])
  for (const [, file] of code.matchAll(/node (\S+)/g)) expect(existsSync(path.join(root, file!)), file).toBe(true)
}

function runShell({ code }: Example, scene: string): void {
  const { status, stderr } = run(scene, 'bash', ['-ec', code])
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' })
}

function runModule({ code, output }: Example, scene: string): void {
  writeFileSync(path.join(scene, 'example.mjs'), code)
  const { status, stdout, stderr } = run(scene, process.execPath, ['example.mjs'])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  if (output !== null) expect(portable(stdout, scene)).toBe(portable(output, scene))
}

/** Root is not asked for, and a program that is absent is not missed. */
function canRun(code: string): boolean {
  return !code.includes('sudo ') && programsOf(code).every(isInstalled)
}

/** Those of a page, one after the other in one scene, as a reader would do. */
function runExamples(page: string): void {
  const scene = makeScene()
  for (const example of examplesOf(path.join(root, page))) {
    if (example.language === 'console') runConsole(example, scene)
    else if (example.language === 'js') runModule(example, scene)
    else if (example.language !== 'sh') throw new Error(`${page}:${example.line}: no test knows how to run this block`)
    else if (isScript(example.code)) checkScripts(example.code)
    else if (canRun(example.code)) runShell(example, scene)
  }
}

describe('the examples', () => {
  it.each(pages)('of %s do what the page shows', (page) => {
    runExamples(page)
  })

  it('of the README are more than commands of npm', () => {
    const languages = examplesOf(path.join(root, 'README.md')).map(({ language }) => language)
    expect(languages.filter((language) => language === 'console').length).toBeGreaterThanOrEqual(3)
  })
})

describe('the README', () => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8')

  it('has the test command that CI runs, and the demonstration', () => {
    const last = readFileSync(path.join(root, '.ci/run'), 'utf8').trim().split('\n').at(-1)
    expect(readme).toContain(`\`\`\`sh\n${last}\n\`\`\``)
    expect(readme).toContain('```sh\nnpm ci && npm run demo\n```')
  })

  it('has at most 150 lines', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(150)
  })
})

describe('the pages', () => {
  it.each(pages)('%s links to files that are there', (page) => {
    const text = readFileSync(path.join(root, page), 'utf8')
    for (const [, target] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(existsSync(path.join(root, path.dirname(page), target!)), target).toBe(true)
    }
  })
})
