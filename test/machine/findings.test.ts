import { describe, expect, it } from 'vitest'
import { type Finding, type ForceWord, refuseUnlessForced } from '../../src/machine/findings.js'

function hintFor(...findings: Finding[]): string | undefined {
  try {
    refuseUnlessForced(findings)
  } catch (error) {
    return (error as { hint?: string }).hint
  }
  throw new Error('not refused')
}

const words: readonly ForceWord[] = ['in-use', 'mtime', 'size', 'siblings', 'room', 'journal', 'leaks']

describe('the hint of a refusal', () => {
  it.each(words)('names --force=%s where that overrides it', (force) => {
    const finding = { code: 'IN_USE', message: 'a: refused', force }
    expect(hintFor(finding)).toMatch(new RegExp(`^--force=${force} goes on`))
    expect(hintFor({ ...finding, hint: 'halt it' })).toMatch(new RegExp(`^halt it\n--force=${force} goes on`))
    expect(hintFor({ ...finding, hint: `or --force=${force}` })).toBe(`or --force=${force}`)
    expect(() => refuseUnlessForced([finding], [force])).not.toThrow()
  })

  it('names every way once, also where the first finding has another', () => {
    const siblings = { code: 'SIBLINGS', message: 'a', force: 'siblings', hint: 'add --keep-siblings' } as const
    const unknown = {
      code: 'SIBLING_UNKNOWN',
      message: 'b',
      force: 'siblings',
      hint: '--force=siblings skips it',
    } as const
    expect(hintFor(siblings, unknown, unknown)).toBe('add --keep-siblings\n--force=siblings skips it')
  })

  it('names no word that would not be enough', () => {
    const siblings = { code: 'SIBLINGS', message: 'a', force: 'siblings', hint: 'add --keep-siblings' } as const
    const unfinished = { code: 'UNFINISHED_MERGE', message: 'b', hint: 'umlcow merge --resume c' }
    expect(hintFor(siblings, unfinished)).toBe('umlcow merge --resume c')
    expect(hintFor(siblings, { code: 'BACKING_KIND', message: 'b' })).toBe('add --keep-siblings')
  })

  it('is none where there is no way', () => {
    expect(hintFor({ code: 'BACKING_KIND', message: 'a' })).toBeUndefined()
  })
})
