import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './support/paths.js'

/** The names of what an entry exports, as its source lists them. */
function exportedNames(entry: string): string[] {
  const source = readFileSync(path.join(root, entry), 'utf8')
  const lists = [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].map(([, list = '']) => list)
  return lists
    .flatMap((list) => list.split(',').map((name) => name.replace('type ', '').trim()))
    .filter((n) => n !== '')
}

describe('docs/api.md', () => {
  const page = readFileSync(path.join(root, 'docs/api.md'), 'utf8')

  it('is what the sources say: run "npm run docs"', () => {
    const made = spawnSync(process.execPath, ['docs/make/api.js'], { cwd: root, encoding: 'utf8' })
    expect(made).toMatchObject({ status: 0, stderr: '' })
    expect(page).toBe(made.stdout)
  })

  it('describes every export', () => {
    const entries = ['src/core.ts', 'src/index.ts'].filter((entry) => existsSync(path.join(root, entry)))
    const names = entries.flatMap(exportedNames)
    expect(names.length).toBeGreaterThan(20)
    for (const name of names)
      expect(page).toMatch(new RegExp(`(function|class|const) ${name}\\b|^\\| \`${name}\` `, 'm'))
  })
})
