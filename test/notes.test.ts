import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './support/paths.js'

const directory = path.join(root, 'native-free-notes')
const headings = ['Facility', 'What C does', 'What we do', 'What is lost', 'Where in src', 'Which test']

function section(text: string, heading: string): string {
  const start = text.indexOf(`## ${heading}\n`)
  const end = text.indexOf('\n## ', start + 1)
  return text.slice(start, end < 0 ? undefined : end)
}

/** What stands between backquotes. */
function quoted(text: string): string[] {
  return text.split('`').filter((_, i) => i % 2 === 1)
}

describe('native-free-notes', () => {
  const pages = readdirSync(directory).filter((name) => name !== 'README.md')

  it('lists every page in its index', () => {
    const index = readFileSync(path.join(directory, 'README.md'), 'utf8')
    expect(pages.length).toBeGreaterThan(5)
    for (const page of pages) expect(index).toContain(`(${page})`)
  })

  for (const page of pages) {
    it(`${page} has the headings, and names files and functions that are there`, () => {
      const text = readFileSync(path.join(directory, page), 'utf8')
      const found = text.split('\n').filter((line) => line.startsWith('## '))
      expect(found).toEqual(headings.map((heading) => `## ${heading}`))
      for (const name of quoted(section(text, 'Which test')).filter((one) => one.startsWith('test/'))) {
        expect(existsSync(path.join(root, name)), name).toBe(true)
      }
      const places = quoted(section(text, 'Where in src'))
      const files = places.filter((one) => one.startsWith('src/'))
      const sources = files.map((file) => readFileSync(path.join(root, file), 'utf8')).join('\n')
      const names = places.filter((one) => !one.startsWith('src/')).flatMap((one) => one.split('.'))
      for (const name of names) expect(sources.includes(name), name).toBe(true)
    })
  }
})
