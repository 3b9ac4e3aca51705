import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesGlob } from '../../src/bytes/glob.js'
import { runs } from '../support/amount.js'

const matches = (pattern: string, name: string) => matchesGlob(Buffer.from(pattern), Buffer.from(name))

test.each([
  ['*.conf', 'a.conf', true],
  ['*.conf', '.conf', true],
  ['*.conf', 'a.confx', false],
  ['a*b*c', 'aXbYbZc', true],
  ['a*b*c', 'aXbYbZ', false],
  ['?', 'x', true],
  ['?', '', false],
  ['', '', true],
  ['**', 'anything', true],
  ['[a-c]x', 'bx', true],
  ['[a-c]x', 'dx', false],
  ['[!a-c]x', 'dx', true],
  ['[^a-c]x', 'ax', false],
  ['[]]', ']', true],
  ['[!]]', ']', false],
  ['[a-]', '-', true],
  [String.raw`[\]]`, ']', true],
  ['[open', '[open', true],
  [String.raw`\*`, '*', true],
  [String.raw`\*`, 'x', false],
  [String.raw`end\ `.trimEnd(), 'end\\', true],
])('%s and %s: %s', (pattern, name, expected) => {
  expect(matches(pattern, name)).toBe(expected)
})

test('agrees with a plain search for stars and question marks', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  const plain = (pattern: string, name: string): boolean => {
    if (pattern === '') return name === ''
    if (pattern[0] === '*') return plain(pattern.slice(1), name) || (name !== '' && plain(pattern, name.slice(1)))
    return name !== '' && (pattern[0] === '?' || pattern[0] === name[0]) && plain(pattern.slice(1), name.slice(1))
  }
  fc.assert(
    fc.property(letters, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 }), (pattern, name) => {
      expect(matches(pattern, name)).toBe(plain(pattern, name))
    }),
    { numRuns: runs(400) },
  )
})

test('many stars and a name that does not match take no time', () => {
  expect(matches('a*'.repeat(200), 'a'.repeat(100))).toBe(false)
  expect(matches(`${'*a'.repeat(100)}b`, 'a'.repeat(255))).toBe(false)
})
