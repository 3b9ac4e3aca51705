import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeJson, escapeText, pathText, printablePath } from '../../src/bytes/escape.js'
import { runs } from '../support/amount.js'

/** What must never reach a terminal raw: controls of both sets, and marks that hide or reorder text. */
const forbidden = /[\p{Cc}\u{ad}\u{61c}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}]/u

describe('escapeText', () => {
  test.each([
    ['plain text, ümläut, 漢字, 😀', 'plain text, ümläut, 漢字, 😀'],
    ['', ''],
    ['a\nb', 'a\\x0ab'],
    ['\0\t\x1b[31m\x7f', '\\x00\\x09\\x1b[31m\\x7f'],
    ['\x80\x9b\x9f\xa0', '\\x80\\x9b\\x9f\xa0'],
    ['\u00ad\u061c', '\\xad\\u{61c}'],
    ['\u200b\u200f\u2010', '\\u{200b}\\u{200f}\u2010'],
    ['\u2027\u2028\u202a\u202e\u202f', '\u2027\\u{2028}\\u{202a}\\u{202e}\u202f'],
    ['\u2060\u2066\u2069\u206f', '\\u{2060}\\u{2066}\\u{2069}\\u{206f}'],
    ['\ufeffx', '\\u{feff}x'],
    ['\ud800x\udfff', '\\u{d800}x\\u{dfff}'],
    ['\u{e0001}\u{e007f}\u{e0100}', '\\u{e0001}\\u{e007f}\u{e0100}'],
  ])('%j', (text, expected) => {
    expect(escapeText(text)).toBe(expected)
  })

  test('leaves nothing raw that a terminal obeys, and is at rest then', () => {
    const property = fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const escaped = escapeText(text)
      expect(escaped).not.toMatch(forbidden)
      expect(escapeText(escaped)).toBe(escaped)
    })
    fc.assert(property, { numRuns: runs(300) })
  })
})

describe('escapeJson', () => {
  test('means the same and holds nothing that a terminal obeys but the newlines of the layout', () => {
    const troubled = fc.string({
      unit: fc.constantFrom(
        'a',
        '"',
        '\\',
        '\n',
        '\x1b',
        '\x7f',
        '\x85',
        '\x9b',
        '\u202e',
        '\u2028',
        '\ufeff',
        '😀',
        '\ud800',
      ),
      maxLength: 20,
    })
    const property = fc.property(fc.array(fc.oneof(troubled, fc.string({ unit: 'binary' }))), (texts) => {
      const json = escapeJson(JSON.stringify(texts, null, 2))
      expect(JSON.parse(json)).toEqual(texts)
      expect(json.split('\n').join('')).not.toMatch(forbidden)
    })
    fc.assert(property, { numRuns: runs(500) })
  })

  test('has known text', () => {
    expect(escapeJson(JSON.stringify('a\x7f\x9b\u202e😀'))).toBe('"a\\u007f\\u009b\\u202e😀"')
    expect(escapeJson('{\n  "a": 1\n}')).toBe('{\n  "a": 1\n}')
  })
})

describe('paths', () => {
  test('that are UTF-8 are text, a byte order mark included', () => {
    expect(pathText(Buffer.from('/srv/ümläut'))).toBe('/srv/ümläut')
    expect(pathText(Buffer.from('\ufeffa'))).toBe('\ufeffa')
    expect(pathText(new Uint8Array(0))).toBe('')
  })

  test.each([[[0xff]], [[0x61, 0xc3]], [[0xc0, 0xaf]], [[0xed, 0xa0, 0x80]], [[0xf5, 0x80, 0x80, 0x80]]])(
    'that are not are none: %j',
    (bytes) => {
      expect(pathText(Uint8Array.from(bytes))).toBeNull()
    },
  )

  test('are shown for people', () => {
    expect(printablePath('/srv/a\nb')).toBe('/srv/a\\x0ab')
    expect(printablePath(Buffer.from('/srv/ü\x1b'))).toBe('/srv/ü\\x1b')
    expect(printablePath(Buffer.from([0x2f, 0xff, 0x61, 0x0a, 0x7f, 0xc3]))).toBe('/\\xffa\\x0a\\x7f\\xc3')
  })

  test('are shown on one line, whatever their bytes', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(printablePath(bytes)).not.toMatch(forbidden)
    })
    fc.assert(property, { numRuns: runs(500) })
  })
})
