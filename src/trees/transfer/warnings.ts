/** List at most this many: a tree of a million sockets must not fill the memory. */
const mostTold = 1000

/** Collects warnings. */
export interface Warnings {
  readonly add: (message: string) => void
  list(): string[]
}

/** Start a list of warnings. */
export function createWarnings(first: readonly string[]): Warnings {
  const told = [...first]
  let more = 0
  return {
    add(message) {
      if (told.length < mostTold) told.push(message)
      else more++
    },
    list: () => (more === 0 ? told : [...told, `and ${more} more`]),
  }
}
