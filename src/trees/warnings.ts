/** List at most this many: a tree of a million sockets must not fill the memory. */
const mostTold = 1000

/** Collects warnings. */
export interface Warnings {
  readonly add: (message: string) => void
  list(): string[]
}

/** Start a list of warnings. @param first  those that come first, and do not count */
export function createWarnings(first: readonly string[] = []): Warnings {
  const told: string[] = []
  let more = 0
  return {
    add(message) {
      if (told.length < mostTold) told.push(message)
      else more++
    },
    list: () => [...first, ...told, ...(more === 0 ? [] : [`and ${more} more`])],
  }
}
