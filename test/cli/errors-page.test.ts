import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorsPage } from '../../docs/make/errors.js'
import { exitStatus, statusMeanings } from '../../src/cli/exit-status.js'
import { type ErrorEntry, errorCodes, errorGroups } from '../../src/errors.js'
import { root } from '../support/paths.js'

describe('docs/errors.md', () => {
  const page = readFileSync(path.join(root, 'docs/errors.md'), 'utf8')

  it('is what the tables give; "npm run docs:errors" writes it', () => {
    expect(page).toBe(errorsPage())
  })

  it.each(Object.entries(errorCodes))('has %s with its meaning', (code, { meaning }) => {
    expect(page.split('\n').filter((line) => line.startsWith(`| \`${code}\` | ${meaning} | `))).toHaveLength(1)
  })
})

describe('the table of errors', () => {
  const entries: [string, ErrorEntry][] = Object.entries(errorCodes)

  it('has each code in one group', () => {
    const codes = Object.values(errorGroups).flatMap((group) => Object.keys(group))
    expect(codes).toEqual(Object.keys(errorCodes))
  })

  it.each(entries)('%s means one plain sentence', (_, { meaning }) => {
    expect(meaning).toMatch(/^(humfs|[A-Z]).{15,110}\.$/)
    expect(meaning).not.toMatch(/[;:]/)
  })

  it.each(entries)(
    '%s has exit statuses that the help explains',
    (_, { exitStatus: status, whenWriting, afterSignal }) => {
      const all = [status, whenWriting ?? status, ...(afterSignal ?? [])]
      expect(statusMeanings.map(([known]) => known)).toEqual(expect.arrayContaining(all))
    },
  )

  it('explains every exit status once', () => {
    expect(statusMeanings.map(([status]) => status)).toEqual([...new Set(Object.values(exitStatus))])
  })
})
