import { describe, expect, it } from 'vitest'
import { UmlcowError } from '../../../src/errors.js'
import { createOwnerLookup } from '../../../src/machine/programs/owner-lookup.js'

describe('a look-up of owners', () => {
  it('asks the host once for each name, and knows users from groups', async () => {
    const asked: string[] = []
    const lookUp = createOwnerLookup(async (kind, name) => {
      asked.push(`${kind} ${name}`)
      if (name === 'nobody here') throw new UmlcowError('UNKNOWN_USER', 'no')
      return asked.length
    })
    const owners = ['a', 'a', 'nobody here', 'nobody here', 'a']
    const found: (number | null)[] = []
    for (const name of owners) found.push(await lookUp('user', name))
    expect(found).toEqual([1, 1, null, null, 1])
    expect(await lookUp('group', 'a')).toBe(3)
    expect(asked).toEqual(['user a', 'user nobody here', 'group a'])
  })

  it('passes on what is wrong with the host', async () => {
    const lookUp = createOwnerLookup(() => Promise.reject(new UmlcowError('EIO', 'the disk')))
    await expect(lookUp('user', 'a')).rejects.toMatchObject({ code: 'EIO' })
  })
})
