import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { shellQuote } from '../../src/machine/shell-quote.js'
import { runs } from '../support/amount.js'

/** What a shell makes of these words: each printed, with a NUL behind it. */
function wordsOf(shell: string, words: readonly string[]): Buffer[] {
  const { status, stdout, stderr } = spawnSync(shell, ['-c', `printf '%s\\0' ${words.join(' ')}`], { cwd: '/' })
  expect(stderr.toString()).toBe('')
  expect(status).toBe(0)
  const found: Buffer[] = []
  for (let start = 0; start < stdout.length; ) {
    const end = stdout.indexOf(0, start)
    found.push(stdout.subarray(start, end))
    start = end + 1
  }
  return found
}

const plainPaths = [
  'cow.node0',
  '/srv/uml/root_fs',
  'a b',
  ' leading and trailing ',
  "it's",
  "'",
  "''",
  '"quoted"',
  '$HOME $'.concat('{HOME} $(id) `id`'),
  '*',
  '?[a]{b,c}',
  '~',
  '~root',
  '!x',
  '#x',
  'a;b&c|d<e>f(g)',
  'back\\slash',
  '\\',
  'a=b',
  '%s',
  'ümläut 漢字 😀',
  '',
]

describe('shellQuote', () => {
  test('leaves what needs no quotes as it is', () => {
    for (const path of ['cow.node0', '/srv/uml/root_fs', 'a=b', '%s', 'A_1,b:c@d+e']) {
      expect(shellQuote(path)).toBe(path)
    }
    expect(shellQuote('a b')).toBe("'a b'")
    expect(shellQuote("it's")).toBe("'it'\\''s'")
    expect(shellQuote('')).toBe("''")
    expect(shellQuote('~')).toBe("'~'")
  })

  test('keeps a path from being taken for an option', () => {
    expect(shellQuote('-n')).toBe('./-n')
    expect(shellQuote('--help me')).toBe("'./--help me'")
    expect(shellQuote(Buffer.of(0x2d, 0xff))).toBe("$'./-\\xff'")
    expect(shellQuote('a-b')).toBe('a-b')
  })

  test('gives one word of sh that is the path', () => {
    expect(
      wordsOf(
        '/bin/sh',
        plainPaths.map((path) => shellQuote(path)),
      ).map(String),
    ).toEqual(plainPaths)
  })

  test('gives one word of sh for any printable path', () => {
    const path = fc.string({ unit: fc.constantFrom(...' !"#$%&\'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~é'), maxLength: 12 })
    const property = fc.property(fc.array(path, { minLength: 1, maxLength: 30 }), (paths) => {
      expect(
        wordsOf(
          '/bin/sh',
          paths.map((one) => shellQuote(one)),
        ).map(String),
      ).toEqual(paths.map((one) => (one.startsWith('-') ? `./${one}` : one)))
    })
    fc.assert(property, { numRuns: 20 })
  })

  test('shows every byte that a terminal may obey or that is no text', () => {
    expect(shellQuote('a\nb')).toBe("$'a\\x0ab'")
    expect(shellQuote('\x1b[31m')).toBe("$'\\x1b[31m'")
    expect(shellQuote('\u202ex')).toBe("$'\\xe2\\x80\\xaex'")
    expect(shellQuote(Buffer.of(0x2f, 0xff, 0x27, 0x5c, 0x61))).toBe("$'/\\xff\\x27\\x5ca'")
  })

  test.skipIf(!existsSync('/bin/bash'))('gives one word of bash for any bytes', () => {
    const path = fc.uint8Array({ maxLength: 20 }).filter((bytes) => !bytes.includes(0) && bytes[0] !== 0x2d)
    const property = fc.property(fc.array(path, { minLength: 1, maxLength: 30 }), (paths) => {
      const words = wordsOf(
        '/bin/bash',
        paths.map((one) => shellQuote(Buffer.from(one))),
      )
      expect(words.map((word) => [...word])).toEqual(paths.map((one) => [...one]))
    })
    fc.assert(property, { numRuns: 20 })
  })

  test('gives nothing but printable characters', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      expect(shellQuote(Buffer.from(bytes))).not.toMatch(/[\p{Cc}\u{202a}-\u{202e}]/u)
    })
    fc.assert(property, { numRuns: runs(500) })
  })
})
