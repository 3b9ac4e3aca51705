import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { unpackPair } from '../../fixtures/unpack.js'
import { root, temporaryDirectory } from '../support/paths.js'

function npm(args: string[], cwd: string): string {
  const done = spawnSync('npm', args, { cwd, encoding: 'utf8', timeout: 600_000 })
  expect(done.status, done.stderr).toBe(0)
  return done.stdout
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
}

describe('the package', () => {
  it('installs from its tarball without scripts or native code, and runs', () => {
    const directory = temporaryDirectory()
    const [{ filename, files }] = JSON.parse(npm(['pack', '--json', '--pack-destination', directory], root))
    const packed = files.map((file: { path: string }) => file.path)
    expect(packed).toEqual(
      expect.arrayContaining(['bin/umlcow.js', 'dist/index.d.ts', 'dist/core.d.ts', 'docs/man/umlcow.1', 'LICENSE']),
    )
    expect(packed.filter((name: string) => /^(test|fixtures|dist\/cli)\//.test(name))).toEqual([])
    // commander is part of the bundled command, and its licence goes with it.
    expect(packed).toContain('dist/command/LICENSE.commander')

    const home = path.join(directory, 'empty')
    npm(['install', '--prefix', home, '--prefer-offline', path.join(directory, filename)], directory)
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
    const used = spawnSync(process.execPath, ['--input-type=module', '-e', library], { cwd: home, encoding: 'utf8' })
    expect(used).toMatchObject({ status: 0, stdout: '155\n' })
  })

  it('names no registry in its lock file', () => {
    const lock = readFileSync(path.join(root, 'package-lock.json'), 'utf8')
    expect(lock).not.toContain('"resolved"')
    // Vite brings fsevents for macOS; that is a tool of development.
    const packages = Object.entries(JSON.parse(lock).packages) as [
      string,
      { dev?: boolean; hasInstallScript?: boolean },
    ][]
    const withScripts = packages.filter(([name, facts]) => name !== '' && facts.hasInstallScript && !facts.dev)
    expect(withScripts).toEqual([])
  })
})
