import { describe, expect, it } from 'vitest'
import { idInDatabase, lookUpId } from '../../../src/machine/programs/user-names.js'

describe('users and groups', () => {
  it('are numbers or names', async () => {
    expect(await lookUpId('user', '3000000000')).toBe(3_000_000_000)
    expect(await lookUpId('user', 'root')).toBe(0)
    expect(await lookUpId('group', 'root')).toBe(0)
  })

  it.each(['', 'no such user', 'a:b', '-1', '4294967295', '--help', '$(id)', 'root\n', '0x0'])(
    '%j is nobody',
    async (name) => {
      await expect(lookUpId('user', name)).rejects.toMatchObject({ code: 'UNKNOWN_USER' })
      await expect(lookUpId('group', name)).rejects.toMatchObject({ code: 'UNKNOWN_GROUP' })
    },
  )

  it('are names first, even when these are digits', async () => {
    const read = () => '1000:x:77:77:::\n4294967295:x:78:78:::\n'
    expect(await lookUpId('user', '1000', read)).toBe(77)
    expect(await lookUpId('user', '4294967295', read)).toBe(78)
    expect(await lookUpId('user', '1001', read)).toBe(1001)
    expect(await lookUpId('user', '+1000', read)).toBe(1000)
  })

  it('are the first line of their name', () => {
    const text = '# comment\n+::::::\nab:x:1:\na:x:no:\na:x:7:8:::\na:x:9:\n'
    expect(idInDatabase(text, 'a')).toBe(7)
    expect(idInDatabase(text, 'b')).toBeNull()
    expect(idInDatabase('', '')).toBeNull()
  })
})
