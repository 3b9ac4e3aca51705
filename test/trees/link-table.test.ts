import { describe, expect, it } from 'vitest'
import { LinkTable } from '../../src/trees/link-table.js'

const facts = (inode: bigint, more: object = {}) => ({ type: 'file' as const, device: 1n, inode, nlink: 3, ...more })
const note = (text: string) => () => Buffer.from(text)

describe('a table of linked files', () => {
  it('tells what was noted with the first name', () => {
    const table = new LinkTable()
    expect(table.further(facts(5n), note('first'))).toBeNull()
    expect(table.further(facts(6n), note('other'))).toBeNull()
    expect(table.further(facts(5n, { device: 2n }), note('elsewhere'))).toBeNull()
    expect(`${table.further(facts(5n), note('second'))}`).toBe('first')
    expect([...table.incomplete()].map((one) => [`${one.note}`, one.missing])).toEqual([
      ['first', 1],
      ['other', 2],
      ['elsewhere', 2],
    ])
    expect(`${table.further(facts(5n), note('third'))}`).toBe('first')
    expect(table.further(facts(5n), note('one more than it had'))).toBeNull()
    expect([...table.incomplete()].map((one) => `${one.note}`)).toEqual(['other', 'elsewhere'])
  })

  it('knows no directories and no files with one name', () => {
    const table = new LinkTable()
    for (const more of [{ type: 'directory' as const }, { nlink: 1 }]) {
      for (let i = 0; i < 2; i++) expect(table.further(facts(5n, more), note('x'))).toBeNull()
    }
    expect([...table.incomplete()]).toEqual([])
  })

  it('takes inodes with the highest bit', () => {
    const table = new LinkTable()
    for (const inode of [2n ** 64n - 1n, -(2n ** 63n)]) {
      expect(table.further(facts(inode), note('a'))).toBeNull()
      expect(`${table.further(facts(inode), note('b'))}`).toBe('a')
    }
  })
})
