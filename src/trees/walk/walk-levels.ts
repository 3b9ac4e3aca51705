/** What one kind of walk does in a directory. */
export interface WalkSteps<D, T> {
  /**
   * Yield the items of a directory and of all that it holds but directories. The names of these go to `pending` as
   * latin1, which keeps every byte and takes a third of the memory of a Buffer.
   *
   * @param above  null for the top
   * @returns      what `enter` and `leave` need of it later; null when the walk does not go into it
   */
  enter(above: D | null, name: Buffer, pending: string[]): Generator<T, D | null>
  /** The item of a directory after everything that it holds. */
  leave?(directory: D): T
}

interface Level<D> {
  /** Null above the top. */
  readonly directory: D | null
  /** Names of directories in it that the walk has not entered. */
  readonly pending: string[]
}

/**
 * The one traversal of directory trees. It enters a directory after the one above it was listed and closed, so at most
 * one directory is open, and only names of directories on the way are in memory.
 *
 * Three walks use it, because a look at each name costs the most: `walkNames` looks at no name, `walkTree` looks at each
 * by its path, and `walkOpen` looks through open directories, so that nobody can redirect it by a link.
 */
export function* walkLevels<D, T>({ enter, leave }: WalkSteps<D, T>): Generator<T> {
  const levels: Level<D>[] = [{ directory: null, pending: [''] }]
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const name = level.pending.pop()
    if (name !== undefined) {
      const pending: string[] = []
      const directory = yield* enter(level.directory, Buffer.from(name, 'latin1'), pending)
      if (directory !== null) levels.push({ directory, pending })
      continue
    }
    levels.pop()
    if (leave !== undefined && level.directory !== null) yield leave(level.directory)
  }
}

/** Gets what a walk cannot look at, by its path relative to the top. */
export type OnWalkError = (path: Buffer, error: unknown) => void

/** Run a look. @returns null after an error that `onError` takes; without it the error ends the walk */
export function look<T>(path: Buffer, onError: OnWalkError | undefined, run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (onError === undefined) throw error
    onError(path, error)
    return null
  }
}
