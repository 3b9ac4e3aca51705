import { UmlcowError } from '../../errors.js'
import { lookUpId, type NameKind } from './user-names.js'

/**
 * Make a function that looks up the ids of users and groups by name, each name once.
 *
 * @returns its result is null when the host has no such name
 */
export function createOwnerLookup(lookUp = lookUpId): (kind: NameKind, name: string) => Promise<number | null> {
  const known = new Map<string, number | null>()
  return async (kind, name) => {
    const key = `${kind} ${name}`
    const found = known.get(key)
    if (found !== undefined) return found
    const id = await orNull(lookUp(kind, name))
    known.set(key, id)
    return id
  }
}

async function orNull(lookUp: Promise<number>): Promise<number | null> {
  try {
    return await lookUp
  } catch (error) {
    if (error instanceof UmlcowError && (error.code === 'UNKNOWN_USER' || error.code === 'UNKNOWN_GROUP')) return null
    throw error
  }
}
