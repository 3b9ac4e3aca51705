import { archiveError, type ReadOptions, shownPath, warnOf } from '../../../formats/manifest/archive-error.js'
import { pathKey } from '../../../formats/manifest/path.js'
import type {
  SquashfsAttribute,
  SquashfsDefinition,
  SquashfsLine,
  SquashfsLink,
} from '../../../formats/squashfs-pseudo/index.js'

/** A further name of what a definition makes. */
export interface FurtherName {
  readonly kind: 'link'
  readonly path: Uint8Array
  readonly first: SquashfsDefinition
}

export type Defined = SquashfsDefinition | FurtherName

/**
 * Collect the lines of a pseudo file by path. As in mksquashfs, the first definition of a path counts.
 *
 * @throws UmlcowError BAD_ARCHIVE for a link to a name that no line before makes, and the errors of the lines
 */
export async function collectDefinitions(
  lines: AsyncIterable<SquashfsLine>,
  name: string,
  options: ReadOptions,
): Promise<Map<string, Defined>> {
  const definitions = new Map<string, Defined>()
  for await (const line of lines) {
    if (line.kind === 'attribute') {
      warnOfAttribute(options, line)
      continue
    }
    const defined = line.kind === 'link' ? furtherName(line, definitions, name) : line
    const key = pathKey(line.path)
    if (definitions.has(key))
      warnOf(options, line.path, `line ${line.line} defines it again: umlcow takes the first line`)
    else definitions.set(key, defined)
  }
  return definitions
}

function furtherName(link: SquashfsLink, definitions: Map<string, Defined>, name: string): FurtherName {
  const target = definitions.get(pathKey(link.first))
  const first = target?.kind === 'link' ? target.first : target
  if (first !== undefined && first.type !== null && first.type !== 'directory') {
    return { kind: 'link', path: link.path, first }
  }
  const what = `is a hard link to ${shownPath(link.first)}, which no line before makes`
  throw archiveError('BAD_ARCHIVE', name, what, { path: link.path, line: link.line })
}

function warnOfAttribute(options: ReadOptions, { path, name }: SquashfsAttribute): void {
  warnOf(options, path, `umlcow does not keep its extended attribute ${shownPath(name)}`)
}
