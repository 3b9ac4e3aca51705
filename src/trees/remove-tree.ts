import type { TreeHost } from './host/tree-host.js'
import { walkNames } from './walk/walk-names.js'

/** Remove a tree that umlcow made, or a file of that name. */
export function removeTree({ reader, writer }: TreeHost, top: Buffer): void {
  const facts = reader.lstatOrNull(top)
  if (facts === null) return
  if (facts.type !== 'directory') {
    writer.unlink(top)
    return
  }
  for (const { path, isDirectory } of walkNames(reader, top)) {
    if (isDirectory) writer.removeDirectory(path)
    else writer.unlink(path)
  }
}
