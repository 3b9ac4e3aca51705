import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDigits, parseInteger } from '../../src/bytes/decimal.js'
import { gatherBytes } from '../../src/bytes/gather.js'
import { InputReader } from '../../src/bytes/input-reader.js'

const piecesArbitrary = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 30 })
const chosen = fc.array(fc.nat(40), { maxLength: 40 })

async function* asyncPieces(pieces: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* pieces
}

describe('InputReader', () => {
  it('reads by length whatever the pieces are', async () => {
    await fc.assert(
      fc.asyncProperty(piecesArbitrary, chosen, fc.boolean(), async (pieces, lengths, isAsync) => {
        const whole = Buffer.concat(pieces)
        const input = new InputReader(isAsync ? asyncPieces(pieces) : pieces)
        let at = 0
        for (const [i, length] of lengths.entries()) {
          const bytes = i % 3 === 0 ? await input.some(length) : await input.upTo(length)
          const skipped = i % 3 === 2 ? await input.skip(3) : 0
          if (i % 3 !== 0) expect(bytes.length).toBe(Math.min(length, whole.length - at))
          expect(whole.subarray(at, at + bytes.length).equals(bytes)).toBe(true)
          at += bytes.length + skipped
          expect(input.offset).toBe(at)
        }
      }),
    )
  })

  it('reads lines whatever the pieces are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', '\n', 'bc', '\n\n', ''), { maxLength: 30 }), async (texts) => {
        const input = new InputReader(asyncPieces(texts.map((text) => Buffer.from(text))))
        const lines: string[] = []
        for (;;) {
          const line = await input.line(100)
          if (line === null) break
          lines.push(line.toString())
        }
        const expected = texts.join('').split('\n')
        if (expected.at(-1) === '') expected.pop()
        expect(lines).toEqual(expected)
      }),
    )
  })

  it('looks ahead without taking anything, though the source reuses its memory', async () => {
    await fc.assert(
      fc.asyncProperty(piecesArbitrary, chosen, async (pieces, lengths) => {
        const whole = Buffer.concat(pieces)
        const room = Buffer.alloc(20)
        const reused = function* () {
          for (const piece of pieces) {
            room.fill(0xee).set(piece)
            yield room.subarray(0, piece.length)
          }
        }
        const input = new InputReader(reused())
        let at = 0
        for (const length of lengths) {
          const seen = Buffer.from(await input.peek(length + 3))
          expect(seen.equals(whole.subarray(at, at + length + 3))).toBe(true)
          expect(input.offset).toBe(at)
          at += (await input.upTo(length)).length
        }
        expect(Buffer.from(await input.upTo(1000)).equals(whole.subarray(at))).toBe(true)
      }),
    )
  })

  it('skips zeros up to the first other byte', async () => {
    const input = new InputReader([Buffer.of(0, 0), Buffer.alloc(0), Buffer.of(0, 7, 0), Buffer.of(0)])
    expect(await input.skipZeros()).toBe(true)
    expect(input.offset).toBe(3)
    expect([...(await input.upTo(1))]).toEqual([7])
    expect(await input.skipZeros()).toBe(false)
    expect(input.offset).toBe(6)
  })

  it('ends a line that is too long', async () => {
    expect(await new InputReader([Buffer.from('abcd\n')]).line(3)).toBe('long')
    expect((await new InputReader([Buffer.from('abc\n')]).line(3))?.toString()).toBe('abc')
  })
})

describe('skipping', () => {
  it('lets the source skip what no piece holds, and reads what the source does not skip', async () => {
    const asked: number[] = []
    const skip = (length: number) => {
      asked.push(length)
      return Math.min(length, 5)
    }
    const input = new InputReader({
      *[Symbol.iterator]() {
        yield* [Buffer.from('abcd'), Buffer.from('efgh')]
      },
      skip,
    })
    expect((await input.upTo(2)).toString()).toBe('ab')
    expect(await input.skip(1)).toBe(1)
    expect(asked).toEqual([])
    expect(await input.skip(8)).toBe(8)
    expect(asked).toEqual([7])
    expect(input.offset).toBe(11)
    expect((await input.upTo(9)).toString()).toBe('gh')
    expect(await input.skip(1)).toBe(0)
    expect(asked).toEqual([7])
  })
})

describe('gatherBytes', () => {
  it('keeps the bytes and makes few pieces of many', async () => {
    const pieces = Array.from({ length: 5000 }, (_, i) => Buffer.alloc(i % 100, i % 251))
    pieces.splice(2500, 0, Buffer.alloc(200_000, 7))
    const out: Uint8Array[] = []
    for await (const piece of gatherBytes(asyncPieces(pieces))) out.push(piece)
    expect(Buffer.concat(out).equals(Buffer.concat(pieces))).toBe(true)
    expect(out.length).toBeLessThan(12)
  })
})

describe('digits', () => {
  it.each([
    ['0', 10, 0],
    ['007', 8, 7],
    ['8', 8, null],
    ['fF', 16, 255],
    ['g', 16, null],
    ['', 10, null],
    ['-1', 10, null],
    ['9007199254740991', 10, Number.MAX_SAFE_INTEGER],
    ['9007199254740992', 10, null],
    ['0'.repeat(33), 10, null],
  ] as const)('%j in base %d is %d', (text, base, value) => {
    expect(parseDigits(Buffer.from(text), base)).toBe(value)
  })

  it('may have a sign', () => {
    expect(parseInteger(Buffer.from('-12'))).toBe(-12n)
    for (const none of ['', '-', '--1', '+1', '1-', '9'.repeat(33)]) expect(parseInteger(Buffer.from(none))).toBeNull()
  })
})
