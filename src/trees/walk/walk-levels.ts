/** The steps of one kind of walk. */
export interface WalkSteps<D, T> {
  /**
   * Yields the items of a directory and of its content, except its directories. The names of these go to `pending` as
   * latin1, which keeps every byte and takes a third of the memory of a Buffer.
   *
   * @param above  null for the top
   * @returns      the state that later calls of `enter` and `leave` need; null when the walk skips the content
   */
  enter(above: D | null, name: Buffer, pending: string[]): Generator<T, D | null>
  /** Makes the item of a directory that comes after its content. */
  leave?(directory: D): T
}

interface Level<D> {
  /** Null above the top. */
  readonly directory: D | null
  /** Names of directories in it that the walk has not entered. */
  readonly pending: string[]
}

/**
 * Traverse a directory tree. All walks use this function. It enters a directory after the one above it was listed and
 * closed. So at most one directory is open, and memory holds only the names of directories that wait.
 *
 * There are three walks, because the `lstat` of each name costs the most. `walkNames` does none, `walkTree` does it by
 * path, and `walkOpen` does it through open directories, so that no link can redirect it.
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

/** Receives an error of a walk, with the path relative to the top. */
export type OnWalkError = (path: Buffer, error: unknown) => void

/** Run a call for a path. Without `onError` an error ends the walk. @returns null after an error that `onError` took */
export function look<T>(path: Buffer, onError: OnWalkError | undefined, run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (onError === undefined) throw error
    onError(path, error)
    return null
  }
}
