import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { root, temporaryDirectory } from '../support/paths.js'
import { problemsInTypes } from '../support/types-of-package.js'

function run(program: string, args: string[], cwd: string): string {
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 600_000 })
  expect(done.status, done.stderr).toBe(0)
  return done.stdout
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
}

/** The files that a page links to, as paths from the top of the project. */
function linksOf(page: string): string[] {
  const text = readFileSync(path.join(root, page), 'utf8')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target.replace(/#.*$/, ''))
  const local = targets.filter((target) => target !== '' && !target.includes('://'))
  return local.map((target) => path.posix.join(path.posix.dirname(page), target))
}

describe('the package', () => {
  let directory: string
  let home: string
  let packed: string[]

  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'umlcow-package-'))
    home = path.join(directory, 'empty')
    const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', directory], root))
    packed = files.map((file: { path: string }) => file.path)
    run('npm', ['install', '--prefix', home, '--prefer-offline', path.join(directory, filename)], directory)
  })

  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  const installedFile = (name: string) => path.join(home, 'node_modules/umlcow', name)

  function runModule(text: string): string {
    return run(process.execPath, ['--input-type=module', '-e', text], home)
  }

  it('has the command, the library and its pages, and neither tests nor sources', () => {
    expect(packed).toEqual(
      expect.arrayContaining(['bin/umlcow.js', 'dist/index.d.ts', 'dist/core.d.ts', 'docs/man/umlcow.1', 'LICENSE']),
    )
    const others = packed.filter((name) => /^(src|test|fixtures|bench|dist\/cli)\//.test(name))
    expect(others.sort()).toEqual(['bench/README.md', 'fixtures/README.md'])
    // commander is part of the bundled command, and its licence goes with it.
    expect(packed).toContain('dist/command/LICENSE.commander')
    for (const place of ['command', 'machine/workers'])
      for (const name of ['compress-worker.js', 'LICENSE.lz4']) expect(packed).toContain(`dist/${place}/${name}`)
  })

  it('has every file that its pages link to; native-free-notes were missing', () => {
    const pages = packed.filter((name) => name.endsWith('.md'))
    const links = pages.flatMap((page) => linksOf(page).map((target) => ({ page, target })))
    expect(links.length).toBeGreaterThan(30)
    expect(links.filter(({ target }) => !packed.includes(target))).toEqual([])
  })

  it('installs from its tarball without scripts or native code, and runs', () => {
    const installed = filesBelow(path.join(home, 'node_modules'))
    expect(installed.filter((name) => name.endsWith('.node') || path.basename(name) === 'binding.gyp')).toEqual([])
    for (const name of installed.filter((one) => path.basename(one) === 'package.json')) {
      const { scripts = {} } = JSON.parse(readFileSync(path.join(home, 'node_modules', name), 'utf8'))
      for (const hook of ['preinstall', 'install', 'postinstall', 'prepare'])
        expect(scripts[hook], name).toBeUndefined()
    }
    expect(installed.some((name) => name.startsWith('vitest') || name.startsWith('typescript'))).toBe(false)

    const { backing } = unpackPair('odd', home)
    const bin = path.join(home, 'node_modules/.bin/umlcow')
    const merged = spawnSync(bin, ['merge', '-b', backing.file, 'cow', 'merged.img'], { cwd: home, encoding: 'utf8' })
    expect(merged).toMatchObject({ status: 0, stderr: '' })
    expect(existsSync(path.join(home, 'merged.img'))).toBe(true)

    const library = "import { info } from 'umlcow'; console.log((await info('cow')).overlay.allocatedSectors)"
    expect(runModule(library)).toBe('155\n')

    // The codec of the package lz4 is part of umlcow, in a worker thread of its own.
    expect(installed.filter((name) => name.startsWith('lz4/') || name.includes('node_modules/lz4'))).toEqual([])
    const packs = `import { compressStream } from 'umlcow'
      import { createReadStream, createWriteStream } from 'node:fs'
      import { pipeline } from 'node:stream/promises'
      const source = createReadStream('merged.img')
      const target = createWriteStream('merged.lz4')
      await pipeline(compressStream(source, { format: 'lz4' }),target)`
    expect(runModule(packs)).toBe('')
    const made = spawnSync(bin, ['create', 'again.img', '--from', 'merged.lz4'], { cwd: home, encoding: 'utf8' })
    expect(made).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(path.join(home, 'again.img')).equals(readFileSync(path.join(home, 'merged.img')))).toBe(true)
    expect(readFileSync(path.join(home, 'merged.lz4')).length).toBeLessThan(
      readFileSync(path.join(home, 'merged.img')).length,
    )
  })

  it('exports its schemas', () => {
    const names = readdirSync(path.join(root, 'docs/schema'))
    const listed = names.map((name) => `import.meta.resolve('umlcow/schema/${name}')`).join(', ')
    const files = JSON.parse(runModule(`console.log(JSON.stringify([${listed}]))`))
    expect(files.map((url: string) => existsSync(new URL(url)))).toEqual(names.map(() => true))
  })

  it('has types for strict programs: those of Node for the library, none for the core', () => {
    const core = "import { openMemoryStore } from 'umlcow/core'\nexport const { size } = openMemoryStore()\n"
    // What a browser has, and what TypeScript knows of it with the library "dom".
    const web = 'declare global {\n  interface AbortSignal {}\n  interface Blob {}\n}\n'
    expect(problemsInTypes(home, core + web)).toEqual([])
    const types = readFileSync(installedFile('dist/index.d.ts'), 'utf8')
    expect(types.startsWith('/// <reference types="node"')).toBe(true)
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(installedFile('package.json'), 'utf8'))
    expect(peerDependencies).toEqual({ '@types/node': '>=20' })
    expect(peerDependenciesMeta).toEqual({ '@types/node': { optional: true } })
  })
})

describe('a copy that nobody has built', () => {
  function runUnbuilt(names: string[]) {
    const copy = path.join(temporaryDirectory(), 'umlcow')
    for (const name of ['bin', 'package.json'])
      cpSync(path.join(root, name), path.join(copy, name), { recursive: true })
    for (const name of names) mkdirSync(path.join(copy, name), { recursive: true })
    const bin = path.join(copy, 'bin/umlcow.js')
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'info', 'cow'], { encoding: 'utf8' })
    return { status, stdout, stderr: stderr.replaceAll(copy, 'COPY') }
  }

  it('says how to build a clone; Node printed a stack', () => {
    expect(runUnbuilt(['src'])).toEqual({
      status: 1,
      stdout: '',
      stderr: 'umlcow: COPY/: this copy is not built\numlcow: run "npm ci && npm run build" there\n',
    })
  })

  it('says how to make a package, where npm made one of a clone', () => {
    expect(runUnbuilt([])).toMatchObject({ status: 1, stderr: expect.stringContaining('"npm ci && npm run pack"') })
  })
})

describe('the files of the project for npm', () => {
  const facts = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

  it('build before they pack: npm runs no script by itself here', () => {
    expect(readFileSync(path.join(root, '.npmrc'), 'utf8')).toContain('ignore-scripts=true\n')
    expect(facts.scripts.pack).toBe('npm run build && npm pack')
    const byItself = /^(pre|post)|^(install|prepare|dependencies)$/
    expect(Object.keys(facts.scripts).filter((name) => byItself.test(name))).toEqual([])
  })

  it('name no place of the project', () => {
    for (const name of ['repository', 'homepage', 'bugs', 'author', 'funding']) expect(facts).not.toHaveProperty(name)
  })

  it('name no registry in the lock file', () => {
    const lock = readFileSync(path.join(root, 'package-lock.json'), 'utf8')
    expect(lock).not.toContain('"resolved"')
    // Vite brings fsevents for macOS; that is a tool of development.
    const packages = Object.entries(JSON.parse(lock).packages) as [
      string,
      { dev?: boolean; hasInstallScript?: boolean },
    ][]
    const withScripts = packages.filter(([name, entry]) => name !== '' && entry.hasInstallScript && !entry.dev)
    expect(withScripts).toEqual([])
  })
})
